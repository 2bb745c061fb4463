/** The escalations of a period by reason, trigger, priority, person and outcome. */

import type { AnalyticsQuery } from "../../gql/operations";
import { formatSeconds, formatShare, PRIORITY, TRIGGER } from "../words";
import styles from "./analytics.module.css";
import { Breakdown } from "./breakdown";
import type { Scope } from "./samples";
import { TopReasons } from "./top-reasons";

interface BreakdownsProps {
  figures: AnalyticsQuery["escalationAnalytics"];
  /** What the figures are about. */
  scope: Scope;
}

export function Breakdowns({ figures, scope }: BreakdownsProps) {
  return (
    <section className={styles.tables} aria-label="Breakdowns">
      <TopReasons rows={figures.topReasons} scope={scope} />
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
