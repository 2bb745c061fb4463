/** All conversations: who has control, what waits to escalate, and where a person has been asked for. */

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import {
  type ConversationFilter,
  type ConversationRowFragment,
  ConversationsDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, EmptyState, ErrorState, SkeletonLines } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { openRows } from "../../ui/row-links";
import { execute } from "../api";
import { keys } from "../cache";
import { formatDuration } from "../countdown";
import { ControlBadge } from "../escalation/control";
import { escalateNow } from "../escalation/pending";
import { STATUS_TONE } from "../escalations/row";
import { useTitle } from "../page";
import { useMay } from "../session/viewer";
import { useTick } from "../tick";
import { customerName, formatAge, formatFullTime, formatPercent, STATUS } from "../words";
import styles from "./conversations.module.css";

const route = getRouteApi("/session/shell/conversations");

const VIEWS: Record<string, { text: string; filter: ConversationFilter }> = {
  all: { text: "All", filter: {} },
  ai: { text: "AI answers", filter: { aiState: "ACTIVE" } },
  team: { text: "Team has control", filter: { aiState: "PAUSED" } },
  waiting: { text: "Waiting for the AI", filter: { awaitingAi: true } },
};

export function ConversationsScreen() {
  useTitle("Conversations");
  const search = route.useSearch();
  const navigate = useNavigate();
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const view = search.view && search.view in VIEWS ? search.view : "all";
  const filter = { ...VIEWS[view]?.filter, ...(search.q && { search: search.q }) };
  const [text, setText] = useState(search.q ?? "");
  const query = useInfiniteQuery({
    queryKey: [...keys.conversations, filter],
    queryFn: ({ pageParam }) =>
      execute(ConversationsDocument, {
        filter,
        orderBy: "LAST_MESSAGE_DESC",
        first: 50,
        ...(pageParam && { after: pageParam }),
      }),
    initialPageParam: "",
    getNextPageParam: ({ conversations: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
    placeholderData: keepPreviousData,
  });

  useEffect(() => {
    const timer = setTimeout(() => {
      const q = text.trim();
      if (q !== (search.q ?? "")) {
        navigate({
          to: "/conversations",
          search: { ...(search.view && { view: search.view }), ...(q && { q }) },
          replace: true,
        });
      }
    }, 250);
    return () => clearTimeout(timer);
  }, [text, search.q, search.view, navigate]);

  const rows = query.data?.pages.flatMap((page) => page.conversations.nodes) ?? [];
  return (
    <div className={styles.screen}>
      <header className={styles.head}>
        <h1>Conversations</h1>
        <nav className={styles.views} aria-label="Views">
          {Object.entries(VIEWS).map(([key, { text: name }]) => (
            <Link
              key={key}
              to="/conversations"
              search={{ ...search, view: key }}
              data-active={view === key || undefined}
              aria-current={view === key ? "page" : undefined}
            >
              {name}
            </Link>
          ))}
        </nav>
        <div className={styles.search}>
          <TextField
            label="Search conversations"
            hideLabel
            type="search"
            placeholder="Search words, names, ids"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </div>
      </header>
      <div className={styles.scroller}>
        {query.isPending ? (
          <SkeletonLines lines={9} />
        ) : query.error && !query.data ? (
          <ErrorState error={query.error} onRetry={() => void query.refetch()} />
        ) : rows.length === 0 ? (
          <EmptyState icon="chat" title="No conversation fits">
            <p>Conversations appear when a customer writes.</p>
          </EmptyState>
        ) : (
          <ul ref={openRows}>
            {rows.map((row) => (
              <Row key={row.id} row={row} mayWrite={mayWrite} />
            ))}
          </ul>
        )}
        {query.hasNextPage && (
          <div className={styles.more}>
            <Button onPress={() => void query.fetchNextPage()} isDisabled={query.isFetchingNextPage}>
              {query.isFetchingNextPage ? "Loading…" : "Show more"}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}

function Row({ row, mayWrite }: { row: ConversationRowFragment; mayWrite: boolean }) {
  const time = row.lastMessageAt ?? row.createdAt;
  const age = useTick((now) => formatAge(time, now));
  return (
    <li className={styles.row} data-row="">
      <Link
        to="/conversations/$conversationId"
        params={{ conversationId: row.id }}
        className={styles.name}
        data-row-link=""
      >
        <bdi>{customerName(row.customer)}</bdi>
      </Link>
      <span className={styles.agent}>
        <bdi>{row.agent.name}</bdi>
        {row.customer.email && ` · ${row.customer.email}`}
      </span>
      <span className={styles.badges}>
        {row.pendingEscalation && <Pending row={row} pending={row.pendingEscalation} mayWrite={mayWrite} />}
        {row.activeEscalation && (
          <Link to="/escalations/$escalationId" params={{ escalationId: row.activeEscalation.id }}>
            <Badge tone={STATUS_TONE[row.activeEscalation.status]}>
              Escalation: {STATUS[row.activeEscalation.status]}
            </Badge>
          </Link>
        )}
        <ControlBadge ai={row.ai} />
      </span>
      <time dateTime={time} title={formatFullTime(time)}>
        {age}
      </time>
    </li>
  );
}

interface PendingProps {
  row: ConversationRowFragment;
  pending: NonNullable<ConversationRowFragment["pendingEscalation"]>;
  mayWrite: boolean;
}

function Pending({ row, pending, mayWrite }: PendingProps) {
  const left = useTick((now) => formatDuration(Date.parse(pending.firesAt) - now));
  return (
    <>
      <Badge tone="warn" icon="clock">
        AI {formatPercent(pending.confidence)} sure, escalates in {left}
      </Badge>
      {mayWrite && <Button onPress={() => escalateNow(row.id)}>Escalate now</Button>}
    </>
  );
}
