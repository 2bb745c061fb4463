/**
 * The order of the rows on the screen.
 *
 * The server decides order and membership. While the pointer or the focus is in the list, no row moves: rows that the
 * server lists further down are appended, and a count says what waits. The next `settle` that is not held adopts the
 * server's order.
 */

export interface Shown {
  ids: readonly string[];
  /** Rows of the server that are not shown yet. */
  fresh: number;
  /** Shown rows that the server no longer lists. */
  gone: ReadonlySet<string>;
}

export function settle(shown: readonly string[], server: readonly string[], held: boolean): Shown {
  if (!held || !shown.length) {
    return { ids: server, fresh: 0, gone: new Set() };
  }
  const listed = new Set(server);
  const known = new Set(shown);
  let last = -1;
  for (const [index, id] of server.entries()) {
    if (known.has(id)) {
      last = index;
    }
  }
  const appended = last < 0 ? [] : server.slice(last + 1);
  const fresh = server.filter((id) => !known.has(id)).length - appended.length;
  return { ids: [...shown, ...appended], fresh, gone: new Set(shown.filter((id) => !listed.has(id))) };
}
