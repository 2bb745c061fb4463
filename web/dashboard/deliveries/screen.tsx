/** Deliveries: each notification, its attempts, and the next one. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import {
  DeliveriesDocument,
  type DeliveriesQuery,
  type DeliveryChannel,
  type DeliveryStatus,
  RetryDeliveryDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, EmptyState, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Select } from "../../ui/field";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { deliveryWords, formatFullTime, formatTime } from "../words";
import styles from "./deliveries.module.css";

type Delivery = DeliveriesQuery["deliveries"]["nodes"][number];

const route = getRouteApi("/session/shell/deliveries");
const TONES = { PENDING: "accent", DELIVERED: "ok", FAILED: "danger", DROPPED: "neutral" } as const;
const STATUSES = {
  PENDING: "Pending",
  DELIVERED: "Delivered",
  FAILED: "Failed",
  DROPPED: "Not sent",
} as const;
const CHANNELS = { EMAIL: "Email", SLACK: "Slack", WEBHOOK: "Webhook" } as const;

export function DeliveriesScreen() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const variables = {
    first: 50,
    ...(search.status && search.status in STATUSES && { status: search.status as DeliveryStatus }),
    ...(search.channel && search.channel in CHANNELS && { channel: search.channel as DeliveryChannel }),
    ...(search.escalation && { escalationId: search.escalation }),
  };
  const query = useInfiniteQuery({
    queryKey: [...keys.deliveries, variables],
    queryFn: ({ pageParam }) =>
      execute(DeliveriesDocument, { ...variables, ...(pageParam && { after: pageParam }) }),
    initialPageParam: "",
    getNextPageParam: ({ deliveries: { pageInfo } }) =>
      pageInfo.hasNextPage ? pageInfo.endCursor : undefined,
    refetchInterval: 10_000,
  });
  const rows = query.data?.pages.flatMap((page) => page.deliveries.nodes) ?? [];
  const change = (name: string, value: string) => {
    const { [name as "status"]: _, ...rest } = search;
    navigate({ to: "/deliveries", search: value ? { ...rest, [name]: value } : rest });
  };
  return (
    <Page
      title="Deliveries"
      lead="Every notification, with each attempt to deliver it."
      actions={
        <div className={styles.filters}>
          <Select
            label="Status"
            hideLabel
            value={search.status ?? ""}
            onValue={(value) => change("status", value)}
            options={[["", "Any status"], ...Object.entries(STATUSES)]}
          />
          <Select
            label="Channel"
            hideLabel
            value={search.channel ?? ""}
            onValue={(value) => change("channel", value)}
            options={[["", "Any channel"], ...Object.entries(CHANNELS)]}
          />
        </div>
      }
    >
      {query.isPending ? (
        <SkeletonLines lines={8} />
      ) : query.error && !query.data ? (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      ) : rows.length === 0 ? (
        <EmptyState icon="send" title="Nothing was delivered here">
          <p>Notifications appear when an escalation is raised and a channel is set up.</p>
        </EmptyState>
      ) : (
        <>
          <ul className={styles.list}>
            {rows.map((row) => (
              <Row key={row.id} row={row} mayWrite={mayWrite} />
            ))}
          </ul>
          {query.hasNextPage && (
            <Button onPress={() => void query.fetchNextPage()} isDisabled={query.isFetchingNextPage}>
              {query.isFetchingNextPage ? "Loading…" : "Show older"}
            </Button>
          )}
        </>
      )}
    </Page>
  );
}

function Row({ row, mayWrite }: { row: Delivery; mayWrite: boolean }) {
  const last = row.attempts.at(-1);
  const isFault = row.status === "FAILED" || !row.note;
  async function retry() {
    try {
      await execute(RetryDeliveryDocument, { id: row.id });
      showToast("It is attempted again now");
      queryClient.invalidateQueries({ queryKey: keys.deliveries });
    } catch (error) {
      showError(error);
    }
  }
  return (
    <li className={styles.row}>
      <details>
        <summary>
          <Badge tone={TONES[row.status]}>{STATUSES[row.status]}</Badge>
          <span className={styles.event}>{deliveryWords(row.eventType)}</span>
          <span className={styles.target}>
            {CHANNELS[row.channel]} · {row.target}
          </span>
          <time dateTime={row.createdAt} title={formatFullTime(row.createdAt)}>
            {formatTime(row.createdAt)}
          </time>
        </summary>
        <div className={styles.attempts}>
          {row.attempts.length === 0 && (
            <p>{row.status === "PENDING" ? "No attempt yet." : "No attempt was made."}</p>
          )}
          <ol>
            {row.attempts.map((attempt) => (
              <li key={attempt.attemptedAt}>
                <Badge tone={attempt.succeeded ? "ok" : "danger"}>
                  {attempt.succeeded ? "Succeeded" : "Failed"}
                </Badge>
                <span>{formatFullTime(attempt.attemptedAt)}</span>
                <span>{attempt.durationMs} ms</span>
                {attempt.response && <code>{attempt.response}</code>}
              </li>
            ))}
          </ol>
          {row.nextAttemptAt && row.status === "PENDING" && (
            <p>Next attempt: {formatFullTime(row.nextAttemptAt)}</p>
          )}
          <div className={styles.filters}>
            {row.escalation && (
              <Link to="/escalations/$escalationId" params={{ escalationId: row.escalation.id }}>
                Open the escalation
              </Link>
            )}
            {mayWrite && row.status !== "DELIVERED" && (
              <Button icon="refresh" onPress={retry}>
                Retry now
              </Button>
            )}
          </div>
        </div>
      </details>
      {(row.note || (last && !last.succeeded)) && (
        <p className={isFault ? styles.fault : styles.note}>{row.note ?? last?.response}</p>
      )}
    </li>
  );
}
