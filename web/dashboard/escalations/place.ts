/** Where the member was in the list, for the return from another screen. */

export interface Place {
  /** The list: its filters. */
  filterKey: string;
  /** The row that had the focus last. */
  row?: { id: string; index: number; byKeyboard: boolean } | undefined;
  selection: ReadonlySet<string>;
}

let place: Place = { filterKey: "", selection: new Set() };

/** Return the place in the list of these filters. */
export function placeIn(filterKey: string): Place {
  if (place.filterKey !== filterKey) {
    place = { filterKey, selection: new Set() };
  }
  return place;
}

/** Return the index of the row that had the focus last, or of what is in its place, or -1. */
export function placeIndex({ row }: Place, ids: readonly string[]): number {
  if (!row) {
    return -1;
  }
  const index = ids.indexOf(row.id);
  return index < 0 ? Math.min(row.index, ids.length - 1) : index;
}

/** Return true if nothing of the page has the focus. */
export function isFocusFree(): boolean {
  const { activeElement } = document;
  return !activeElement || activeElement === document.body || activeElement.id === "main";
}
