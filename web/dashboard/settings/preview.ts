/** Texts for customers with their placeholders filled, as the server fills them. */

import type { SettingsPartsFragment, Weekday } from "../../gql/operations";

type Hours = SettingsPartsFragment["sla"]["businessHours"];

export const WEEKDAYS = [
  "MONDAY",
  "TUESDAY",
  "WEDNESDAY",
  "THURSDAY",
  "FRIDAY",
  "SATURDAY",
  "SUNDAY",
] as const;

const DEFAULT =
  "Your request has been escalated to our support team. We typically respond within {response_time} during business hours.";

export function dayName(day: Weekday): string {
  return day[0] + day.slice(1).toLowerCase();
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(":").map(Number);
  return (hours ?? 0) * 60 + (minutes ?? 0);
}

function inUnits(minutes: number, units: [string, number][]): string {
  let rest = minutes;
  const parts: string[] = [];
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count) {
      parts.push(`${count} ${name}${count === 1 ? "" : "s"}`);
    }
  }
  return parts.slice(0, 2).join(" and ") || "1 minute";
}

export function responseTimeInWords(minutes: number, hours: Hours): string {
  if (!hours.week.length) {
    return inUnits(minutes, [
      ["week", 10_080],
      ["day", 1_440],
      ["hour", 60],
      ["minute", 1],
    ]);
  }
  const lengths = new Set(
    WEEKDAYS.map((day) =>
      hours.week
        .filter((interval) => interval.day === day)
        .reduce((sum, { opens, closes }) => {
          const length = minutesOf(closes) - minutesOf(opens);
          return sum + (length > 0 ? length : length + 1_440);
        }, 0),
    ).filter(Boolean),
  );
  const [length] = lengths;
  if (lengths.size === 1 && length && minutes % length === 0) {
    return inUnits(minutes, [["working day", length]]);
  }
  return inUnits(minutes, [
    ["hour", 60],
    ["minute", 1],
  ]);
}

/** Return the schedule in words. Days with the same times are joined. */
export function hoursInWords(hours: Hours): string {
  if (!hours.week.length) {
    return "around the clock";
  }
  const groups = new Map<string, number[]>();
  for (const [index, day] of WEEKDAYS.entries()) {
    const times = hours.week
      .filter((interval) => interval.day === day)
      .map(({ opens, closes }) => `${opens} to ${closes}${closes <= opens ? " the next day" : ""}`)
      .join(" and ");
    if (times) {
      groups.set(times, [...(groups.get(times) ?? []), index]);
    }
  }
  const words = [...groups].map(([times, days]) => `${daysInWords(days)} ${times}`).join("; ");
  const zone = hours.timezone.replaceAll("_", " ");
  return `${words} (${zone}${zone === "UTC" ? "" : " time"})`;
}

function daysInWords(days: number[]): string {
  const names = days.map((day) => dayName(WEEKDAYS[day] as Weekday));
  if (days.length === 7) {
    return "every day";
  }
  const unbroken = days.every((day, index) => index === 0 || day === (days[index - 1] as number) + 1);
  return unbroken && days.length > 2
    ? `${names[0]} to ${names.at(-1)}`
    : names.join(", ").replace(/, ([^,]*)$/, " and $1");
}

export function renderConfirmation(template: string, sla: SettingsPartsFragment["sla"]): string {
  const target =
    sla.targetsByPriority.find(({ priority }) => priority === sla.defaultPriority)?.targetResponseMinutes ??
    sla.targetResponseMinutes;
  const time = responseTimeInWords(target, sla.businessHours);
  const plain = template === DEFAULT && (!sla.businessHours.week.length || time.includes("working day"));
  return (plain ? DEFAULT.replace(" during business hours", "") : template)
    .replaceAll("{response_time}", time)
    .replaceAll("{business_hours}", hoursInWords(sla.businessHours));
}
