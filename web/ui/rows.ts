/** Rows of a list that can be removed: the focus goes on to the next one. */

import { useRef } from "react";
import type { PressEvent } from "react-aria-components";
import { showToast } from "./toast";

const ROW = "[role=group], details, li";

let nextKey = 1;

/** Return what gets the focus after the row of the element: its neighbour, else what surrounds the list. */
export function nextOfRow(target: Element): HTMLElement | undefined {
  const row = target.closest(ROW);
  const neighbour = [row?.nextElementSibling, row?.previousElementSibling].find((near) => near?.matches(ROW));
  const next = neighbour ?? row?.parentElement?.closest(`fieldset, main, ${ROW}`);
  if (!(next instanceof HTMLElement)) {
    return undefined;
  }
  // Not a button or a field: another Enter must neither remove a row nor send a form.
  next.tabIndex = -1;
  return next;
}

/** Move the focus from a row that goes to its neighbour, else to what surrounds the list. */
export function leaveRow({ target }: PressEvent) {
  nextOfRow(target)?.focus();
}

/** The rows of a list in a form. A row keeps its key when another one is removed. */
export function useRows<Row extends object>(rows: readonly Row[], onRows: (rows: Row[]) => void) {
  const keys = useRef<number[]>([]);
  while (keys.current.length < rows.length) {
    keys.current.push(nextKey++);
  }
  return {
    keyOf: (index: number) => keys.current[index],
    change: (index: number, values: Partial<Row>) =>
      onRows(rows.map((row, at) => (at === index ? { ...row, ...values } : row))),
    /** Remove the row of that name. */
    remove(index: number, name: string, press: PressEvent) {
      leaveRow(press);
      keys.current.splice(index, 1);
      onRows(rows.filter((_, at) => at !== index));
      showToast(`Removed ${name}`);
    },
  };
}
