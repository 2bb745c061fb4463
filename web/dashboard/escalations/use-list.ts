/** The rows of the list: what the server lists, shown by the list rule. */

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, useState } from "react";
import { type EscalationRowFragment, EscalationsDocument } from "../../gql/operations";
import { execute } from "../api";
import { keys, mergeEscalation, onEscalationRows } from "../cache";
import { useViewer } from "../session/viewer";
import { type Shown, settle } from "./list-rule";
import { type ListSearch, listQuery } from "./search";

const PAGE = 50;

export function useEscalationList(search: ListSearch) {
  const viewer = useViewer();
  const variables = useMemo(() => listQuery(search, viewer.member?.id), [search, viewer.member?.id]);
  return useInfiniteQuery({
    queryKey: [...keys.escalations, variables],
    queryFn: ({ pageParam }) =>
      execute(EscalationsDocument, { ...variables, first: PAGE, ...(pageParam && { after: pageParam }) }),
    initialPageParam: "",
    getNextPageParam: ({ escalations: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
    placeholderData: keepPreviousData,
  });
}

/** Return the rows to show. While `held`, no row moves; `adopt` takes the server's order over. */
export function useSettledRows(server: readonly EscalationRowFragment[], filterKey: string, held: boolean) {
  const rows = useRef(new Map<string, EscalationRowFragment>());
  const shown = useRef<{ key: string; ids: readonly string[] }>({ key: filterKey, ids: [] });
  const [adopted, setAdopted] = useState(0);
  const [, setPatched] = useState(0);

  // Rows that the server no longer lists here are patched too.
  useEffect(
    () =>
      onEscalationRows((changed) => {
        let touched = false;
        for (const [id, row] of changed) {
          const old = rows.current.get(id);
          if (old) {
            rows.current.set(id, mergeEscalation(old, row));
            touched = true;
          }
        }
        if (touched) {
          setPatched((count) => count + 1);
        }
      }),
    [],
  );

  const settled = useMemo<Shown>(() => {
    for (const row of server) {
      const old = rows.current.get(row.id);
      // A read of the same version may know more unread messages.
      rows.current.set(row.id, old && old.version > row.version ? old : row);
    }
    const before = shown.current.key === filterKey ? shown.current.ids : [];
    const result = settle(
      before,
      server.map((row) => row.id),
      held,
    );
    shown.current = { key: filterKey, ids: result.ids };
    return result;
    // `adopted` asks for another look.
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [server, filterKey, held, adopted]);

  return {
    rows: settled.ids.flatMap((id) => rows.current.get(id) ?? []),
    fresh: settled.fresh,
    gone: settled.gone,
    adopt() {
      shown.current = { key: filterKey, ids: [] };
      setAdopted((count) => count + 1);
    },
  };
}
