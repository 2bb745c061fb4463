/** The dashboard's words for the API's values, and formats for times and numbers. */

import type {
  Disposition,
  EscalationStatus,
  EscalationTrigger,
  Priority,
  SlaStatus,
} from "../gql/operations";

export const STATUS: Record<EscalationStatus, string> = {
  OPEN: "Open",
  IN_PROGRESS: "In progress",
  RESOLVED: "Resolved",
};
export const PRIORITY: Record<Priority, string> = {
  URGENT: "Urgent",
  HIGH: "High",
  MEDIUM: "Medium",
  LOW: "Low",
};
export const PRIORITIES = ["URGENT", "HIGH", "MEDIUM", "LOW"] as const;
export const SLA: Record<SlaStatus, string> = {
  ON_TRACK: "On track",
  AT_RISK: "At risk",
  BREACHED: "Overdue",
};
export const TRIGGER: Record<EscalationTrigger, string> = {
  BUTTON: "Pressed the button",
  PHRASE: "Asked for a person",
  FORM: "Submitted a form",
  LOW_CONFIDENCE: "Low confidence",
  TOOL_FAILURE: "Tool failed",
  TOPIC: "Topic",
  API: "API call",
  TEAM_MEMBER: "Team member took over",
};
export const DISPOSITION: Record<Disposition, string> = {
  NEEDED: "A person was needed",
  AI_COULD_HAVE_ANSWERED: "The AI could have answered",
  NO_LONGER_NEEDED: "No longer needed",
  DUPLICATE: "Duplicate",
  SPAM: "Spam",
};
export const DISPOSITIONS = [
  "NEEDED",
  "AI_COULD_HAVE_ANSWERED",
  "NO_LONGER_NEEDED",
  "DUPLICATE",
  "SPAM",
] as const;

/** The keys are the names in rules/events.py. */
const DELIVERED: Record<string, string> = {
  "escalation.created": "Escalation raised",
  "escalation.updated": "Escalation changed",
  "escalation.replied": "A person replied",
  "escalation.resolved": "Escalation resolved",
  "escalation.reopened": "Escalation reopened",
  "escalation.sla_at_risk": "Answer at risk",
  "escalation.sla_breached": "Answer overdue",
  "turn.requested": "The AI is to answer",
  "conversation.ai_paused": "AI paused",
  "conversation.ai_resumed": "The AI may answer again",
  test: "Test",
  confirmation: "Request to confirm the address",
  alert: "Alert: deliveries fail",
  sign_in_alert: "Alert: attempts to sign in fail",
  digest: "Digest of an hour",
  storm_digest: "Digest of many notices",
  limit_digest: "Digest: too many emails in an hour",
};

/** Return what a delivery is about. A name that is not listed is shown in its own words. */
export function deliveryWords(eventType: string): string {
  return DELIVERED[eventType] ?? eventType.replaceAll(/[._]/g, " ");
}

/** Return why an escalation was raised: a program gives a reason, and Baton's own ones have words. */
export function reasonWords({ trigger, reason }: { trigger: EscalationTrigger; reason: string }): string {
  return trigger === "API" ? reason : TRIGGER[trigger];
}

export function customerName(customer: {
  name?: string | null;
  email?: string | null;
  externalId?: string | null;
}): string {
  return customer.name || customer.email || customer.externalId || "Visitor";
}

/** Return a confidence in percent as “34 %”. */
export function formatPercent(percent: number): string {
  return `${Math.round(percent)} %`;
}

/** Return a share of 0 to 1 as “34.1 %”, or a dash for a ratio over nothing. */
export function formatShare(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(digits)} %`;
}

/** Return seconds as “1 h 05 min”, or a dash. */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return "–";
  }
  if (seconds < 90) {
    return `${Math.round(seconds)} s`;
  }
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min`
    : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const TIME = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY_TIME = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

/** Return the time of day, with the day if it is not today. */
export function formatTime(time: string | number, now = Date.now()): string {
  const date = new Date(time);
  return date.toDateString() === new Date(now).toDateString() ? TIME.format(date) : DAY_TIME.format(date);
}

export function formatFullTime(time: string | number): string {
  return FULL.format(new Date(time));
}

export function formatDay(time: string | number): string {
  return DAY.format(new Date(time));
}

/** Return how long ago a time was: “now”, “4 min”, “3 h”, “2 d”. */
export function formatAge(time: string | number, now: number): string {
  const minutes = Math.floor((now - new Date(time).getTime()) / 60_000);
  if (minutes < 1) {
    return "now";
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} d`;
}
