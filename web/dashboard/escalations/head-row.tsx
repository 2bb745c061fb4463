/** The headings of the list's columns. */

import type { EscalationRowFragment } from "../../gql/operations";
import { VisuallyHidden } from "../../ui/feedback";
import styles from "./escalations.module.css";

interface HeadRowProps {
  rows: readonly EscalationRowFragment[];
  selection: ReadonlySet<string>;
  onSelection(ids: ReadonlySet<string>): void;
}

export function HeadRow({ rows, selection, onSelection }: HeadRowProps) {
  const all = rows.length > 0 && rows.every((row) => selection.has(row.id));
  return (
    <div role="rowgroup">
      <div role="row" aria-rowindex={1} className={styles.headRow}>
        <div role="columnheader" className={styles.check}>
          <input
            type="checkbox"
            aria-label="Select all rows"
            checked={all}
            onChange={() => onSelection(all ? new Set() : new Set(rows.map((row) => row.id)))}
          />
        </div>
        <div role="columnheader" className={styles.priority}>
          <VisuallyHidden>Priority</VisuallyHidden>
        </div>
        <div role="columnheader" className={styles.subject}>
          Customer and reason
        </div>
        <div role="columnheader" className={styles.status}>
          Status
        </div>
        <div role="columnheader" className={styles.assignee}>
          Assigned to
        </div>
        <div role="columnheader" className={styles.created}>
          Created
        </div>
        <div role="columnheader" className={styles.sla}>
          SLA status
        </div>
        <div role="columnheader" className={styles.more}>
          <VisuallyHidden>Actions</VisuallyHidden>
        </div>
      </div>
    </div>
  );
}
