/** How much time is left to answer, in business time. */

import type { SlaPartsFragment } from "../gql/operations";

type Clock = Pick<
  SlaPartsFragment,
  "status" | "outcome" | "targetMinutes" | "dueAt" | "atRiskAt" | "segments"
>;

export type Countdown =
  | { kind: "running"; left: number; status: "ON_TRACK" | "AT_RISK" }
  /** Outside business hours: the time left stands still until `until`. */
  | { kind: "standing"; left: number; status: "ON_TRACK" | "AT_RISK"; until: number; label: string }
  | { kind: "overdue"; since: number }
  | { kind: "stopped"; outcome: "MET" | "MISSED" | "CANCELLED" };

/** Return the state of the clock at a time, both in milliseconds since 1970. */
export function countdownAt(sla: Clock, now: number): Countdown {
  if (sla.outcome !== "RUNNING") {
    return { kind: "stopped", outcome: sla.outcome };
  }
  const due = Date.parse(sla.dueAt);
  if (now >= due) {
    return { kind: "overdue", since: due };
  }
  const status = now >= Date.parse(sla.atRiskAt) ? "AT_RISK" : "ON_TRACK";
  // The server lists the first segments of a long clock: what they leave of the target is still to come.
  let unlisted = sla.targetMinutes * 60_000;
  let left = 0;
  let current: Clock["segments"][number] | undefined;
  let opening: number | undefined;
  for (const segment of sla.segments) {
    const from = Date.parse(segment.from);
    const to = Date.parse(segment.to);
    if (from <= now && now < to) {
      current = segment;
    }
    if (segment.running) {
      unlisted -= to - from;
      left += Math.max(0, Math.min(to, due) - Math.max(from, now));
      if (from > now) {
        opening ??= from;
      }
    }
  }
  if (hasUnlistedSegments(sla)) {
    left = Math.min(left + unlisted, due - now);
  }
  if (current && !current.running) {
    return { kind: "standing", left, status, until: opening ?? Date.parse(current.to), label: current.label };
  }
  // Without segments the clock runs all the time.
  return { kind: "running", left: sla.segments.length ? left : due - now, status };
}

/** Return true if the segments of a long clock end before its due time: the server lists the first ones. */
export function hasUnlistedSegments({ segments, dueAt }: Pick<Clock, "segments" | "dueAt">): boolean {
  const last = segments.at(-1);
  return last !== undefined && Date.parse(last.to) < Date.parse(dueAt);
}

/**
 * Return a duration as “2 d 3 h”, “1 h 05 min”, “14 min” or, in the last minutes, “3:07”. Business time in which
 * the clock stands still at night is in hours, “51 h”: its days are not those of the calendar.
 */
export function formatDuration(milliseconds: number, inDays = true): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) {
    return inDays ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${hours} h`;
  }
  if (hours) {
    return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  }
  return minutes >= 10 ? `${minutes} min` : `${minutes}:${String(seconds % 60).padStart(2, "0")}`;
}
