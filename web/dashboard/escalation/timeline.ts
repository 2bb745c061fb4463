/** The timeline's entries in words. */

import type { Priority } from "../../gql/operations";
import { PRIORITY } from "../words";

interface Entry {
  kind: string;
  actor?: { name: string } | null;
  data: unknown;
}

/** The keys are TimelineKind in rules/escalation.py. */
const TEXTS: Record<string, string> = {
  created: "raised it",
  triggered: "Another trigger fired",
  assigned: "assigned it",
  unassigned: "removed the assignee",
  priority_changed: "changed the priority",
  status_changed: "changed the status",
  disposition_changed: "reviewed whether a person was needed",
  replied: "replied",
  noted: "added a note",
  sla_at_risk: "The answer is at risk",
  sla_breached: "The answer is overdue",
  sla_on_track: "The answer is on track again",
  resolved: "resolved it",
  reopened: "reopened it",
  ai_paused: "The AI was paused",
  ai_resumed: "The AI may answer again",
};

/** Return a sentence for an entry. Kinds that are not listed are shown as they are. */
export function timelineText({ kind, actor, data }: Entry): string {
  const text = TEXTS[kind] ?? kind.replaceAll("_", " ");
  const { priority } = (data ?? {}) as { priority?: Priority };
  const detail = kind === "priority_changed" && priority ? ` to ${PRIORITY[priority] ?? priority}` : "";
  if (/^[A-Z]/.test(text)) {
    return actor ? `${text} by ${actor.name}` : text;
  }
  return actor ? `${actor.name} ${text}${detail}` : `Baton ${text}${detail}`;
}
