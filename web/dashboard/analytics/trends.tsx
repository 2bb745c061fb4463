/** The metrics over time. */

import type { AnalyticsInterval, AnalyticsQuery } from "../../gql/operations";
import { Chart } from "../../ui/chart";
import { formatDay, formatSeconds, formatShare } from "../words";
import styles from "./analytics.module.css";

interface TrendsProps {
  figures: AnalyticsQuery["escalationAnalytics"];
  interval: AnalyticsInterval;
}

const NONE = "None in this period.";

/** Return the sentence about a figure, if the period has it. */
function orNone(figure: number | null | undefined, sentence: (figure: number) => string): string {
  return figure === null || figure === undefined ? NONE : sentence(figure);
}

export function Trends({ figures, interval }: TrendsProps) {
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
            : NONE
        }
        formatY={String}
        whole
        series={[{ label: "Escalations", color: "accent", values: series.map((point) => point.escalations) }]}
      />
      <Chart
        {...common}
        title="Escalation rate"
        sentence={orNone(
          figures.escalationRate,
          (rate) => `${formatShare(rate)} of the conversations reached the team.`,
        )}
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
        sentence={orNone(
          figures.slaCompliance,
          (share) => `${formatShare(share)} of the measured answers came in time.`,
        )}
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
        sentence={orNone(
          figures.resolutionTime.medianSeconds,
          (median) => `Half were resolved within ${formatSeconds(median)}.`,
        )}
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
