/** One escalation in the list. */

import { Link } from "@tanstack/react-router";
import { memo } from "react";
import type { EscalationRowFragment } from "../../gql/operations";
import { IconButton } from "../../ui/button";
import { Avatar, Badge, VisuallyHidden } from "../../ui/feedback";
import { Menu } from "../../ui/overlay";
import { useTick } from "../tick";
import { customerName, formatAge, formatFullTime, formatPercent, STATUS, TRIGGER } from "../words";
import type { Change } from "./dialogs";
import styles from "./escalations.module.css";
import { PriorityIcon } from "./priority-icon";
import { SlaBadge } from "./sla-badge";

export interface RowProps {
  row: EscalationRowFragment;
  index: number;
  selected: boolean;
  /** The server no longer lists it here. */
  gone: boolean;
  resolving: boolean;
  mayWrite: boolean;
  onSelect(id: string, selected: boolean): void;
  onClaim(row: EscalationRowFragment): void;
  onChange(row: EscalationRowFragment, change: Change): void;
}

export const STATUS_TONE = { OPEN: "accent", IN_PROGRESS: "warn", RESOLVED: "neutral" } as const;

/** Why it was raised. Text of customers and programs runs in its own direction, and is cut at its own end. */
function Reason({ row }: { row: EscalationRowFragment }) {
  const texts = row.trigger === "API" ? [row.reason, row.detail] : [row.detail];
  const given = texts.filter(Boolean).join(": ");
  const known = row.trigger === "API" ? "" : TRIGGER[row.trigger] + (given && ": ");
  return (
    <span className={styles.reason} title={known + given}>
      {known && <span>{known}</span>}
      {given && (
        <span dir="auto" data-given="">
          {given}
        </span>
      )}
      {row.confidence !== null && row.confidence !== undefined && (
        <span> · AI {formatPercent(row.confidence)} sure</span>
      )}
    </span>
  );
}

export const EscalationRow = memo(function EscalationRow({
  row,
  index,
  selected,
  gone,
  resolving,
  mayWrite,
  onSelect,
  onClaim,
  onChange,
}: RowProps) {
  const name = customerName(row.conversation.customer);
  const age = useTick((now) => formatAge(row.createdAt, now));
  const active = row.status !== "RESOLVED";
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className={styles.row}
      data-selected={selected || undefined}
      data-gone={gone || undefined}
      data-id={row.id}
      data-row=""
    >
      <div role="cell" className={styles.check} data-row-apart="">
        <input
          type="checkbox"
          aria-label={`Select ${name}`}
          checked={selected}
          onChange={(event) => onSelect(row.id, event.target.checked)}
        />
      </div>
      <div role="cell" className={styles.priority}>
        <PriorityIcon priority={row.priority} />
      </div>
      <div role="cell" className={styles.subject}>
        <Link
          to="/escalations/$escalationId"
          params={{ escalationId: row.id }}
          className={styles.name}
          data-row-link=""
          dir="auto"
          data-unread={row.unreadMessages > 0 || undefined}
        >
          {name}
        </Link>
        {row.unreadMessages > 0 && (
          <span className={styles.unread}>
            {row.unreadMessages}
            <VisuallyHidden> unread</VisuallyHidden>
          </span>
        )}
        <Reason row={row} />
      </div>
      <div role="cell" className={styles.status}>
        {gone ? (
          <Badge>Not in this view</Badge>
        ) : resolving ? (
          <Badge tone="ok">Resolving…</Badge>
        ) : (
          <Badge tone={STATUS_TONE[row.status]}>{STATUS[row.status]}</Badge>
        )}
      </div>
      <div role="cell" className={styles.assignee}>
        {row.assignee ? (
          <>
            <Avatar name={row.assignee.name} />
            <span dir="auto">{row.assignee.name}</span>
          </>
        ) : mayWrite && active ? (
          <button
            type="button"
            className={styles.claim}
            onClick={() => onClaim(row)}
            aria-label={`Claim ${name}`}
          >
            Claim
          </button>
        ) : (
          <span className={styles.none}>–</span>
        )}
      </div>
      <div role="cell" className={styles.created} title={formatFullTime(row.createdAt)}>
        {age}
      </div>
      <div role="cell" className={styles.sla}>
        <SlaBadge sla={row.sla} />
      </div>
      <div role="cell" className={styles.more} data-row-apart="">
        {mayWrite && (
          <Menu
            label={`Actions for ${name}`}
            trigger={<IconButton label={`Actions for ${name}`} icon="more" />}
            entries={[
              {
                id: "claim",
                text: "Claim",
                shortcut: "C",
                disabled: Boolean(row.assignee) || !active,
                onSelect: () => onClaim(row),
              },
              {
                id: "assign",
                text: "Assign…",
                shortcut: "A",
                disabled: !active,
                onSelect: () => onChange(row, "assign"),
              },
              {
                id: "priority",
                text: "Priority…",
                shortcut: "P",
                disabled: !active,
                onSelect: () => onChange(row, "priority"),
              },
              {
                id: "resolve",
                text: "Resolve…",
                shortcut: "E",
                disabled: !active || resolving,
                onSelect: () => onChange(row, "resolve"),
              },
            ]}
          />
        )}
      </div>
    </div>
  );
});
