/** The escalations of a period by reason, trigger, priority, person and outcome. */

import type { AnalyticsQuery } from "../../gql/operations";
import ui from "../../ui/ui.module.css";
import { formatSeconds, formatShare, PRIORITY, TRIGGER } from "../words";
import styles from "./analytics.module.css";

export function Breakdowns({ figures }: { figures: AnalyticsQuery["escalationAnalytics"] }) {
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
