/** The metrics of a period, next to the period before. */

import type { ReactNode } from "react";
import type { AnalyticsBeforeQuery, AnalyticsQuery } from "../../gql/operations";
import { formatSeconds, formatShare } from "../words";
import styles from "./analytics.module.css";

type Figures = AnalyticsQuery["escalationAnalytics"];
type Before = AnalyticsBeforeQuery["escalationAnalytics"];

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

export function Metrics({ figures, before }: { figures: Figures; before: Before | undefined }) {
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
