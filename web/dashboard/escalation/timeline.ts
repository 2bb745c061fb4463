/** The timeline of an escalation: its entries from the server, and their words. */

import {
  EscalationTimelineDocument,
  type EscalationTimelineQuery,
  type Priority,
} from "../../gql/operations";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { PRIORITY } from "../words";

type Entry = NonNullable<EscalationTimelineQuery["escalation"]>["timeline"]["nodes"][number];

export interface Timeline {
  /** Oldest first. */
  entries: readonly Entry[];
  /** The cursor of the last entry. */
  after: string | null;
}

/** Read the entries that are new since the last look. The server appends them and never changes one. */
export async function readTimeline(id: string): Promise<Timeline> {
  const old = queryClient.getQueryData<Timeline>(keys.timeline(id));
  let { entries, after } = old ?? { entries: [], after: null };
  for (;;) {
    const { escalation } = await execute(EscalationTimelineDocument, { id, after });
    const { nodes, pageInfo } = escalation?.timeline ?? { nodes: [], pageInfo: undefined };
    entries = [...entries, ...nodes];
    after = pageInfo?.endCursor ?? after;
    if (!pageInfo?.hasNextPage) {
      return { entries, after };
    }
  }
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

interface Words {
  before: string;
  /** Stands apart from the rest, since it may be written from right to left. */
  name?: string | undefined;
  after: string;
}

/** Return a sentence for an entry. Kinds that are not listed are shown as they are. */
export function timelineWords({ kind, actor, data }: Entry): Words {
  const text = TEXTS[kind] ?? kind.replaceAll("_", " ");
  const { priority } = (data ?? {}) as { priority?: Priority };
  const detail = kind === "priority_changed" && priority ? ` to ${PRIORITY[priority] ?? priority}` : "";
  if (/^[A-Z]/.test(text)) {
    return { before: actor ? `${text} by ` : text, name: actor?.name, after: "" };
  }
  return { before: actor ? "" : "Baton", name: actor?.name, after: ` ${text}${detail}` };
}
