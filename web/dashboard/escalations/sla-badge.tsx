/** The response clock in a few characters: how much business time is left, and whether it runs. */

import type { SlaPartsFragment } from "../../gql/operations";
import { Badge, type Tone } from "../../ui/feedback";
import { countdownAt, formatDuration } from "../countdown";
import { useTick } from "../tick";
import { formatAge, formatFullTime, formatTime, SLA } from "../words";

interface Parts {
  tone: Tone;
  icon: "clock" | "hourglass" | "pause" | "check" | "warning";
  text: string;
  note: string;
}

function describeLeft(left: number, untilDue: number, status: "ON_TRACK" | "AT_RISK"): string {
  const words = formatDuration(left, left >= untilDue);
  return status === "AT_RISK" ? `${SLA[status]} · ${words}` : words;
}

function describe(sla: SlaPartsFragment, now: number): Parts {
  const countdown = countdownAt(sla, now);
  const untilDue = Date.parse(sla.dueAt) - now;
  switch (countdown.kind) {
    case "running":
      return {
        tone: countdown.status === "AT_RISK" ? "warn" : "ok",
        icon: countdown.status === "AT_RISK" ? "hourglass" : "clock",
        text: describeLeft(countdown.left, untilDue, countdown.status),
        note: "",
      };
    case "standing":
      return {
        tone: countdown.status === "AT_RISK" ? "warn" : "neutral",
        icon: "pause",
        text: describeLeft(countdown.left, untilDue, countdown.status),
        note: `until ${formatTime(countdown.until, now)}`,
      };
    case "overdue":
      return {
        tone: "danger",
        icon: "warning",
        text: `Overdue ${formatAge(countdown.since, now)}`.replace(" now", ""),
        note: "",
      };
    case "stopped":
      return {
        MET: { tone: "ok" as const, icon: "check" as const, text: "Met", note: "" },
        MISSED: { tone: "danger" as const, icon: "warning" as const, text: "Missed", note: "" },
        CANCELLED: { tone: "neutral" as const, icon: "pause" as const, text: "No answer", note: "" },
      }[countdown.outcome];
  }
}

export function SlaBadge({ sla }: { sla: SlaPartsFragment }) {
  // One text, so that the row renders again only when it changes.
  const encoded = useTick((now) => JSON.stringify(describe(sla, now)));
  const { tone, icon, text, note } = JSON.parse(encoded) as Parts;
  return (
    <span
      title={sla.outcome === "RUNNING" ? `Due ${formatFullTime(sla.dueAt)}` : undefined}
      data-sla={sla.outcome}
    >
      <Badge tone={tone} icon={icon}>
        {text}
        {note && <span data-note="">{note}</span>}
      </Badge>
    </span>
  );
}
