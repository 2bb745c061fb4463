/** Analytics → Escalations. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import {
  AnalyticsBeforeDocument,
  type AnalyticsBeforeQuery,
  AnalyticsDocument,
  type AnalyticsInterval,
  type AnalyticsQuery,
  CalibrationDocument,
  WhatIfDocument,
} from "../../gql/operations";
import { LinkButton } from "../../ui/button";
import { Chart } from "../../ui/chart";
import { ErrorState, SkeletonLines } from "../../ui/feedback";
import { Select } from "../../ui/field";
import ui from "../../ui/ui.module.css";
import { execute } from "../api";
import { serviceUrl } from "../base";
import { keys } from "../cache";
import { Page } from "../page";
import { AgentPicker } from "../settings/agent-picker";
import { useAgent } from "../settings/use-settings";
import { formatDay, formatSeconds, formatShare, PRIORITY, TRIGGER } from "../words";
import styles from "./analytics.module.css";
import { ReviewQueue } from "./review-queue";
import { WhatIfChart } from "./what-if-chart";

const route = getRouteApi("/session/shell/analytics");
const DAY = 86_400_000;
const TIMEZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const THRESHOLDS = Array.from({ length: 21 }, (_, index) => index * 5);

type Figures = AnalyticsQuery["escalationAnalytics"];
type Before = AnalyticsBeforeQuery["escalationAnalytics"];

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
  const csv = (name: string, extra: string) =>
    `${serviceUrl}exports/${name}.csv?${new URLSearchParams({ from: period.from, to: period.to, timezone: TIMEZONE, agentId: agent?.id ?? "" })}${extra}`;
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
          <LinkButton icon="download" href={csv("escalations", "")} download>
            Escalations (CSV)
          </LinkButton>
          <LinkButton
            icon="download"
            href={csv("analytics", `&interval=${period.interval.toLowerCase()}`)}
            download
          >
            Series (CSV)
          </LinkButton>
        </div>
      }
    >
      {agent ? <Report agentId={agent.id} period={period} /> : <SkeletonLines />}
    </Page>
  );
}

function Report({ agentId, period }: { agentId: string; period: Period }) {
  const { from, to, before, interval } = period;
  const current = useQuery({
    queryKey: [...keys.analytics, agentId, from, to],
    queryFn: () => execute(AnalyticsDocument, { agentId, from, to, interval, timezone: TIMEZONE }),
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
  const figures = current.data.escalationAnalytics;
  return (
    <div className={styles.report}>
      <Metrics figures={figures} before={earlier.data?.escalationAnalytics} />
      <Trends figures={figures} interval={interval} />
      <Tables figures={figures} />
      <Confidence agentId={agentId} from={from} to={to} />
      <ReviewQueue agentId={agentId} coverage={figures.dispositionCoverage} />
    </div>
  );
}

interface MetricProps {
  name: string;
  value: string;
  /** What the figure rests on. */
  basis: string;
  change: ReactNode;
}

function Metric({ name, value, basis, change }: MetricProps) {
  return (
    <div className={styles.metric}>
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {change}
        <span>{basis}</span>
      </dd>
    </div>
  );
}

type Good = "up" | "down";

/** The difference to the period before. Good and bad are said in words, not by colour only. */
function Change({
  now,
  then,
  good,
  format,
}: {
  now?: number | null;
  then?: number | null;
  good: Good;
  format(difference: number): string;
}) {
  if (now === null || now === undefined || then === null || then === undefined) {
    return <em data-tone="none">nothing to compare with</em>;
  }
  const difference = now - then;
  if (Math.abs(difference) < 1e-9) {
    return <em data-tone="none">as before</em>;
  }
  const better = difference > 0 === (good === "up");
  return (
    <em data-tone={better ? "ok" : "danger"}>
      {difference > 0 ? "+" : "−"}
      {format(Math.abs(difference))}, {better ? "better" : "worse"}
    </em>
  );
}

const points = (share: number) => `${(share * 100).toFixed(1)} points`;

function Metrics({ figures, before }: { figures: Figures; before: Before | undefined }) {
  const measured = figures.sla.met + figures.sla.missed;
  const resolved = figures.resolutionTime.count;
  return (
    <dl className={styles.metrics}>
      <Metric
        name="Escalation rate"
        value={formatShare(figures.escalationRate)}
        basis={`${figures.escalatedConversations} of ${figures.conversations} conversations`}
        change={
          <Change now={figures.escalationRate} then={before?.escalationRate} good="down" format={points} />
        }
      />
      <Metric
        name="Time to resolution, median"
        value={formatSeconds(figures.resolutionTime.medianSeconds)}
        basis={`90 % within ${formatSeconds(figures.resolutionTime.p90Seconds)}; ${resolved} resolved, ${figures.escalations - resolved} open; in business time ${formatSeconds(figures.resolutionTime.medianBusinessSeconds)}`}
        change={
          <Change
            now={figures.resolutionTime.medianSeconds}
            then={before?.resolutionTime.medianSeconds}
            good="down"
            format={formatSeconds}
          />
        }
      />
      <Metric
        name="SLA compliance"
        value={formatShare(figures.slaCompliance)}
        basis={`${figures.sla.met} of ${measured} answered in time; ${figures.sla.running} still run, ${figures.sla.cancelled} ended unanswered`}
        change={<Change now={figures.slaCompliance} then={before?.slaCompliance} good="up" format={points} />}
      />
      <Metric
        name="First response, median"
        value={formatSeconds(figures.firstResponseTime.medianSeconds)}
        basis={`90 % within ${formatSeconds(figures.firstResponseTime.p90Seconds)}; ${figures.firstResponseTime.count} answered`}
        change={
          <Change
            now={figures.firstResponseTime.medianSeconds}
            then={before?.firstResponseTime.medianSeconds}
            good="down"
            format={formatSeconds}
          />
        }
      />
      <Metric
        name="Not needed (false positives)"
        value={formatShare(figures.falsePositiveRate)}
        basis={`of those reviewed: ${formatShare(figures.dispositionCoverage, 0)} of the resolved ones`}
        change={
          <Change
            now={figures.falsePositiveRate}
            then={before?.falsePositiveRate}
            good="down"
            format={points}
          />
        }
      />
      <Metric
        name="Averted in the delay"
        value={formatShare(figures.avertedRate)}
        basis="of the unsure replies that waited"
        change={<Change now={figures.avertedRate} then={before?.avertedRate} good="up" format={points} />}
      />
    </dl>
  );
}

function Trends({ figures, interval }: { figures: Figures; interval: AnalyticsInterval }) {
  const { series } = figures;
  const x = series.map((point) => Date.parse(point.start) / 1_000);
  const formatX = (seconds: number) =>
    interval === "HOUR"
      ? new Date(seconds * 1_000).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" })
      : formatDay(seconds * 1_000);
  const percent = (value: number | null | undefined) =>
    value === null || value === undefined ? null : value * 100;
  const busiest = series.reduce<(typeof series)[number] | undefined>(
    (top, point) => (point.escalations > (top?.escalations ?? 0) ? point : top),
    undefined,
  );
  const common = { x, time: true, xLabel: "From", formatX };
  return (
    <section className={styles.charts} aria-label="Trends">
      <Chart
        {...common}
        title="Escalations"
        sentence={
          busiest
            ? `${figures.escalations} in all; the most, ${busiest.escalations}, from ${formatX(Date.parse(busiest.start) / 1_000)}.`
            : "None in this period."
        }
        formatY={String}
        whole
        series={[{ label: "Escalations", color: "accent", values: series.map((point) => point.escalations) }]}
      />
      <Chart
        {...common}
        title="Escalation rate"
        sentence={`${formatShare(figures.escalationRate)} of the conversations reached the team.`}
        formatY={(value) => `${Math.round(value)} %`}
        series={[
          {
            label: "Escalation rate",
            color: "accent",
            values: series.map((point) => percent(point.escalationRate)),
          },
        ]}
      />
      <Chart
        {...common}
        title="SLA compliance"
        sentence={`${formatShare(figures.slaCompliance)} of the measured answers came in time.`}
        formatY={(value) => `${Math.round(value)} %`}
        series={[
          {
            label: "SLA compliance",
            color: "accent",
            values: series.map((point) => percent(point.slaCompliance)),
          },
        ]}
      />
      <Chart
        {...common}
        title="Time to resolution"
        sentence={`Half were resolved within ${formatSeconds(figures.resolutionTime.medianSeconds)}.`}
        formatY={(value) => formatSeconds(value)}
        series={[
          {
            label: "Median time to resolution",
            color: "accent",
            values: series.map((point) => point.medianResolutionSeconds ?? null),
          },
        ]}
      />
    </section>
  );
}

function Tables({ figures }: { figures: Figures }) {
  return (
    <section className={styles.tables} aria-label="Breakdowns">
      <Breakdown
        title="Top reasons"
        head={["Reason", "Count", "Share"]}
        rows={figures.topReasons.map((row) => [
          row.reason.replaceAll("_", " "),
          row.count,
          formatShare(row.share),
        ])}
      />
      <Breakdown
        title="By trigger"
        head={["Trigger", "Count", "Not needed", "Reviewed"]}
        rows={figures.byTrigger.map((row) => [
          TRIGGER[row.trigger],
          row.count,
          formatShare(row.falsePositiveRate, 0),
          row.dispositions,
        ])}
      />
      <Breakdown
        title="By priority"
        head={["Priority", "Count"]}
        rows={figures.byPriority.map((row) => [PRIORITY[row.priority], row.count])}
      />
      <Breakdown
        title="By person"
        head={["Assignee", "Count", "First response", "In time"]}
        rows={figures.byAssignee.map((row) => [
          row.assignee?.name ?? "No assignee",
          row.count,
          formatSeconds(row.medianFirstResponseSeconds),
          formatShare(row.slaCompliance, 0),
        ])}
      />
      <Breakdown
        title="What became of the conversations"
        head={["Outcome", "Count"]}
        rows={[
          ["Resolved by the AI", figures.outcomes.resolvedByAi],
          ["Escalated and resolved", figures.outcomes.escalatedResolved],
          ["Escalated and open", figures.outcomes.escalatedOpen],
        ]}
      />
    </section>
  );
}

function Breakdown({ title, head, rows }: { title: string; head: string[]; rows: (string | number)[][] }) {
  return (
    <div className={styles.breakdown}>
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p>None in this period.</p>
      ) : (
        <div className={ui.tableWrap}>
          <table className={ui.table}>
            <thead>
              <tr>
                {head.map((name, index) => (
                  <th key={name} scope="col" data-num={index ? "" : undefined}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={String(row[0])}>
                  {row.map((cell, index) => (
                    <td key={head[index]} data-num={index ? "" : undefined}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

function Confidence({ agentId, from, to }: { agentId: string; from: string; to: string }) {
  const whatIf = useQuery({
    queryKey: [...keys.analytics, "what-if", agentId, from, to],
    queryFn: () => execute(WhatIfDocument, { agentId, from, to, thresholds: THRESHOLDS }),
    placeholderData: keepPreviousData,
  });
  const calibration = useQuery({
    queryKey: [...keys.analytics, "calibration", agentId, from, to],
    queryFn: () => execute(CalibrationDocument, { agentId, from, to }),
    placeholderData: keepPreviousData,
  });
  const bins = calibration.data?.confidenceCalibration;
  const replies = bins?.reduce((sum, bin) => sum + bin.replies, 0) ?? 0;
  return (
    <section className={styles.charts} aria-label="Confidence">
      {whatIf.data ? (
        <WhatIfChart outcomes={whatIf.data.thresholdWhatIf} threshold={undefined} />
      ) : (
        <SkeletonLines lines={4} />
      )}
      {bins ? (
        <Chart
          title="Is the AI's confidence right?"
          sentence={`Of ${replies} replies with a confidence: the share of their conversations that reached the team. A well calibrated AI falls from left to right.`}
          x={bins.map((bin) => bin.from)}
          xLabel="Confidence from"
          formatX={(value) => `${value} %`}
          formatY={(value) => `${Math.round(value)} %`}
          series={[
            {
              label: "Reached the team",
              color: "accent",
              values: bins.map((bin) =>
                bin.conversations ? (bin.escalatedConversations / bin.conversations) * 100 : null,
              ),
            },
            {
              label: "Needed a person, of those reviewed",
              color: "ok",
              dashed: true,
              values: bins.map((bin) =>
                bin.needed + bin.notNeeded ? (bin.needed / (bin.needed + bin.notNeeded)) * 100 : null,
              ),
            },
          ]}
        />
      ) : (
        <SkeletonLines lines={4} />
      )}
    </section>
  );
}
