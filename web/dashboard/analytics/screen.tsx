/** Analytics → Escalations. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import { AnalyticsBeforeDocument, AnalyticsDocument, type AnalyticsInterval } from "../../gql/operations";
import { LinkButton } from "../../ui/button";
import { ErrorState, SkeletonLines } from "../../ui/feedback";
import { Select } from "../../ui/field";
import { execute } from "../api";
import { serviceUrl } from "../base";
import { keys } from "../cache";
import { Page } from "../page";
import { AgentPicker } from "../settings/agent-picker";
import { useAgent } from "../settings/use-settings";
import { formatDay } from "../words";
import styles from "./analytics.module.css";
import { Breakdowns } from "./breakdowns";
import { Confidence } from "./confidence";
import { Metrics } from "./metrics";
import { ReviewQueue } from "./review-queue";
import { Trends } from "./trends";

const route = getRouteApi("/session/shell/analytics");
const DAY = 86_400_000;
const TIMEZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

interface Period {
  from: string;
  to: string;
  before: string;
  interval: AnalyticsInterval;
}

function periodOf(days: number): Period {
  // Whole hours, so that the same period is asked for again within the hour.
  const to = Math.ceil(Date.now() / 3_600_000) * 3_600_000;
  const iso = (time: number) => new Date(time).toISOString();
  return {
    from: iso(to - days * DAY),
    to: iso(to),
    before: iso(to - 2 * days * DAY),
    interval: days <= 2 ? "HOUR" : days <= 90 ? "DAY" : "WEEK",
  };
}

export function AnalyticsScreen() {
  const search = route.useSearch();
  const { agent, agents } = useAgent(search.agent);
  const navigate = useNavigate();
  const days = search.days ?? 30;
  const period = useMemo(() => periodOf(days), [days]);
  return (
    <Page
      title="Escalations in figures"
      lead={`${formatDay(period.from)} to ${formatDay(period.to)}, next to ${days === 1 ? "the day" : `the ${days} days`} before.`}
      actions={
        <div className={styles.actions}>
          <Select
            label="Period"
            hideLabel
            value={String(days)}
            onValue={(value) => navigate({ to: "/analytics", search: { ...search, days: Number(value) } })}
            options={[
              ["1", "Last 24 hours"],
              ["7", "Last 7 days"],
              ["30", "Last 30 days"],
              ["90", "Last 90 days"],
              ["365", "Last 365 days"],
            ]}
          />
          <AgentPicker agents={agents} agent={agent} to="/analytics" />
          {agent && <Exports agentId={agent.id} period={period} />}
        </div>
      }
    >
      {agent ? <Report agentId={agent.id} period={period} /> : <SkeletonLines />}
    </Page>
  );
}

function Exports({ agentId, period }: { agentId: string; period: Period }) {
  const { from, to } = period;
  const hrefOf = (name: string, more: { interval?: string } = {}) =>
    `${serviceUrl}exports/${name}.csv?${new URLSearchParams({ agentId, from, to, timezone: TIMEZONE, ...more })}`;
  return (
    <>
      <LinkButton icon="download" href={hrefOf("escalations")} download>
        Escalations (CSV)
      </LinkButton>
      <LinkButton
        icon="download"
        href={hrefOf("analytics", { interval: period.interval.toLowerCase() })}
        download
      >
        Series (CSV)
      </LinkButton>
    </>
  );
}

function Report({ agentId, period }: { agentId: string; period: Period }) {
  const { from, to, before, interval } = period;
  const current = useQuery({
    queryKey: [...keys.analytics, agentId, from, to],
    queryFn: async () => {
      const variables = { agentId, from, to, interval, timezone: TIMEZONE };
      const { escalationAnalytics } = await execute(AnalyticsDocument, variables);
      return { figures: escalationAnalytics, scope: { agentId, from, to } };
    },
    placeholderData: keepPreviousData,
  });
  const earlier = useQuery({
    queryKey: [...keys.analytics, agentId, before, from],
    queryFn: () => execute(AnalyticsBeforeDocument, { agentId, from: before, to: from }),
    placeholderData: keepPreviousData,
  });
  if (!current.data) {
    return current.error ? (
      <ErrorState error={current.error} onRetry={() => void current.refetch()} />
    ) : (
      <SkeletonLines lines={10} />
    );
  }
  // The figures of the period before stay until the next ones arrive.
  const { figures, scope } = current.data;
  return (
    <div className={styles.report}>
      <Metrics figures={figures} before={earlier.data?.escalationAnalytics} />
      <Trends figures={figures} interval={interval} />
      <Breakdowns key={`${scope.agentId} ${scope.from} ${scope.to}`} figures={figures} scope={scope} />
      <Confidence agentId={agentId} from={from} to={to} />
      <ReviewQueue agentId={agentId} coverage={figures.dispositionCoverage} />
    </div>
  );
}
