/** Conversations → Escalations: the team's queue. */

import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { EscalationRowFragment } from "../../gql/operations";
import { Button } from "../../ui/button";
import { isByClick } from "../../ui/clicks";
import { ErrorState, SkeletonLines } from "../../ui/feedback";
import { Icon } from "../../ui/icon";
import { openRows } from "../../ui/row-links";
import { useKeys } from "../keys";
import { useTitle } from "../page";
import { useMay } from "../session/viewer";
import { useCounts } from "../shell";
import { useStore } from "../store";
import { claim, resolving } from "./actions";
import { type Change, ChangeDialog } from "./dialogs";
import { Empty } from "./empty";
import styles from "./escalations.module.css";
import { Filters } from "./filters";
import { HeadRow } from "./head-row";
import { isFocusFree, placeIn, placeIndex } from "./place";
import { EscalationRow } from "./row";
import { useRowHeight } from "./row-height";
import { type ListSearch, TABS, type Tab, tabOf } from "./search";
import { useEscalationList, useSettledRows } from "./use-list";

const TAB_NAMES: Record<Tab, string> = { mine: "Mine", unassigned: "Unassigned", open: "Open", all: "All" };
const route = getRouteApi("/session/shell/escalations");

export function EscalationsScreen() {
  useTitle("Escalations");
  const search = route.useSearch();
  const query = useEscalationList(search);
  const server = useMemo(
    () => query.data?.pages.flatMap((page) => page.escalations.nodes) ?? [],
    [query.data],
  );
  const total = query.data?.pages[0]?.escalations.totalCount;
  return (
    <div className={styles.screen}>
      <header className={styles.head}>
        <h1>Escalations</h1>
        <Tabs search={search} total={total} />
      </header>
      <Filters search={search} />
      {query.isPending ? (
        <SkeletonLines lines={9} height={18} />
      ) : query.isError && !query.data ? (
        <ErrorState error={query.error} onRetry={query.refetch} />
      ) : (
        <List
          server={server}
          filterKey={JSON.stringify(search)}
          search={search}
          dimmed={query.isPlaceholderData}
          more={query.hasNextPage && !query.isFetchingNextPage ? query.fetchNextPage : undefined}
        />
      )}
    </div>
  );
}

function Tabs({ search, total }: { search: ListSearch; total: number | undefined }) {
  const { data } = useCounts();
  const counts = data?.escalationCounts;
  const numbers: Record<Tab, number | undefined> = {
    mine: counts?.mine,
    unassigned: counts?.unassigned,
    open: counts && counts.open + counts.inProgress,
    all: tabOf(search) === "all" ? total : undefined,
  };
  return (
    <nav className={styles.tabs} aria-label="Views">
      {TABS.map((tab) => (
        <Link
          key={tab}
          to="/escalations"
          search={{ ...search, tab }}
          aria-current={tabOf(search) === tab ? "page" : undefined}
          activeProps={{}}
          className={styles.tab}
          data-active={tabOf(search) === tab || undefined}
        >
          {TAB_NAMES[tab]}
          {numbers[tab] !== undefined && <span data-count={tab}>{numbers[tab]}</span>}
        </Link>
      ))}
    </nav>
  );
}

interface ListProps {
  server: readonly EscalationRowFragment[];
  filterKey: string;
  search: ListSearch;
  dimmed: boolean;
  more: (() => unknown) | undefined;
}

function List({ server, filterKey, search, dimmed, more }: ListProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [pointer, setPointer] = useState(false);
  const [focus, setFocus] = useState(false);
  const [scrolled, setScrolled] = useState(false);
  // The button for new rows lies over the list: it must not go when the pointer comes to it.
  const underPointer = {
    onPointerEnter: (event: PointerEvent) => event.pointerType === "mouse" && setPointer(true),
    onPointerLeave: () => setPointer(false),
  };
  const { rows, fresh, gone, adopt } = useSettledRows(server, filterKey, pointer || focus || scrolled);
  const place = placeIn(filterKey);
  const [selection, setSelection] = useState(place.selection);
  const [change, setChange] = useState<{ change: Change; rows: readonly EscalationRowFragment[] }>();
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const pending = useStore(resolving);
  const navigate = useNavigate();

  const rowHeight = useRowHeight();
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    getItemKey: (index) => rows[index]?.id ?? index,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);
  const items = virtualizer.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more && lastShown >= rows.length - 10) {
      more();
    }
  }, [more, lastShown, rows.length]);

  const latest = useRef(rows);
  latest.current = rows;
  useEffect(() => setSelection(placeIn(filterKey).selection), [filterKey]);
  useEffect(() => {
    place.selection = selection;
  });
  // A member who works with the keyboard is back on the row that was opened.
  useEffect(() => {
    if (place.row?.byKeyboard && isFocusFree()) {
      focusRow(placeIndex(place, ids()));
    }
  }, []);

  const select = useCallback((id: string, selected: boolean) => {
    setSelection((old) => {
      const next = new Set(old);
      if (selected) {
        next.add(id);
      } else {
        next.delete(id);
      }
      return next;
    });
  }, []);
  const claimRow = useCallback((row: EscalationRowFragment) => void claim([row]), []);
  const changeRow = useCallback(
    (row: EscalationRowFragment, next: Change) => setChange({ change: next, rows: [row] }),
    [],
  );

  const ids = () => latest.current.map((row) => row.id);

  function focusedIndex(): number {
    const id = document.activeElement?.closest<HTMLElement>("[data-id]")?.dataset["id"];
    return id ? ids().indexOf(id) : -1;
  }

  /** Focus the next or previous row, or again the one that had the focus last. */
  function move(step: 1 | -1) {
    const index = focusedIndex();
    const last = placeIndex(place, ids());
    focusRow(index < 0 && last >= 0 ? last : index + step);
  }

  function keepPlace(target: HTMLElement) {
    const index = focusedIndex();
    const id = ids()[index];
    if (id) {
      // A click on the text of a row focuses its link by a script.
      place.row = { id, index, byKeyboard: target.matches(":focus-visible") && !isByClick() };
    }
  }

  function focusRow(index: number) {
    const bounded = Math.max(0, Math.min(latest.current.length - 1, index));
    const find = () =>
      scroller.current?.querySelector<HTMLElement>(
        `[data-id="${latest.current[bounded]?.id}"] [data-row-link]`,
      );
    const link = find();
    if (link) {
      link.focus();
    } else {
      virtualizer.scrollToIndex(bounded);
      requestAnimationFrame(() => find()?.focus());
    }
  }

  /** Return the selected rows, else the row with the focus. */
  function targets(): EscalationRowFragment[] {
    const chosen = latest.current.filter((row) => selection.has(row.id));
    const current = latest.current[focusedIndex()];
    return chosen.length ? chosen : current ? [current] : [];
  }

  function start(next: Change) {
    const active = targets().filter((row) => row.status !== "RESOLVED");
    if (active.length && mayWrite) {
      setChange({ change: next, rows: active });
    }
  }

  function claimTargets() {
    const free = targets().filter((row) => !row.assignee && row.status !== "RESOLVED");
    if (free.length && mayWrite) {
      claim(free);
      setSelection(new Set());
    }
  }

  const group = "Escalations";
  useKeys([
    { key: "j", text: "Next row", group: "Move", run: () => move(1) },
    { key: "k", text: "Previous row", group: "Move", run: () => move(-1) },
    { key: "ArrowDown", text: "Next row", group: "Move", run: () => move(1) },
    { key: "ArrowUp", text: "Previous row", group: "Move", run: () => move(-1) },
    {
      key: "x",
      text: "Select the row",
      group,
      run() {
        const row = latest.current[focusedIndex()];
        if (row) {
          select(row.id, !selection.has(row.id));
        }
      },
    },
    { key: "c", text: "Claim", group, run: claimTargets },
    { key: "a", text: "Assign", group, run: () => start("assign") },
    { key: "p", text: "Set the priority", group, run: () => start("priority") },
    { key: "e", text: "Resolve", group, run: () => start("resolve") },
    {
      key: "r",
      text: "Open and reply",
      group,
      run() {
        const row = latest.current[focusedIndex()];
        if (row) {
          navigate({ to: "/escalations/$escalationId", params: { escalationId: row.id }, hash: "reply" });
        }
      },
    },
    {
      key: "Escape",
      text: "Clear the selection and leave the list",
      group,
      run() {
        setSelection(new Set());
        place.row = undefined;
        (document.activeElement as HTMLElement | null)?.blur();
      },
    },
  ]);

  const chosen = rows.filter((row) => selection.has(row.id));
  return (
    <div className={styles.listFrame} data-dimmed={dimmed || undefined}>
      {chosen.length > 0 && (
        <div className={styles.bulk} role="toolbar" aria-label="Selected escalations">
          <strong>{chosen.length} selected</strong>
          <Button shortcut="C" onPress={claimTargets} isDisabled={!mayWrite}>
            Claim
          </Button>
          <Button shortcut="A" onPress={() => start("assign")} isDisabled={!mayWrite}>
            Assign
          </Button>
          <Button shortcut="P" onPress={() => start("priority")} isDisabled={!mayWrite}>
            Priority
          </Button>
          <Button shortcut="E" onPress={() => start("resolve")} isDisabled={!mayWrite}>
            Resolve
          </Button>
          <Button look="quiet" onPress={() => setSelection(new Set())}>
            Clear
          </Button>
        </div>
      )}
      {(fresh > 0 || gone.size > 0) && (
        <button
          type="button"
          className={styles.pill}
          {...underPointer}
          onClick={() => {
            adopt();
            scroller.current?.scrollTo({ top: 0 });
          }}
        >
          <Icon name="refresh" size={14} />
          {fresh > 0 ? `${fresh} new` : "List has changed"}
        </button>
      )}
      <div
        ref={scroller}
        className={styles.scroller}
        {...underPointer}
        onFocus={(event) => {
          setFocus(true);
          keepPlace(event.target);
        }}
        onBlur={(event) => setFocus(event.currentTarget.contains(event.relatedTarget as Node | null))}
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 8)}
      >
        {rows.length === 0 ? (
          <Empty search={search} />
        ) : (
          <div role="table" aria-label="Escalations" aria-rowcount={rows.length + 1}>
            <HeadRow rows={rows} selection={selection} onSelection={setSelection} />
            <div
              role="rowgroup"
              ref={openRows}
              style={{ height: virtualizer.getTotalSize(), position: "relative" }}
            >
              {items.map((item) => {
                const row = rows[item.index];
                return (
                  row && (
                    <div
                      key={item.key}
                      role="presentation"
                      className={styles.place}
                      style={{ transform: `translateY(${item.start}px)`, height: item.size }}
                    >
                      <EscalationRow
                        row={row}
                        index={item.index}
                        selected={selection.has(row.id)}
                        gone={gone.has(row.id)}
                        resolving={pending.has(row.id)}
                        mayWrite={mayWrite}
                        onSelect={select}
                        onClaim={claimRow}
                        onChange={changeRow}
                      />
                    </div>
                  )
                );
              })}
            </div>
          </div>
        )}
      </div>
      <ChangeDialog
        change={change?.change}
        rows={change?.rows ?? []}
        onClose={() => setChange(undefined)}
        onDone={() => setSelection(new Set())}
      />
    </div>
  );
}
