/**
 * Texts for customers with their placeholders filled, as `rules/customer_texts.py` fills them. A test compares both
 * over many schedules.
 */

import type { SettingsPartsFragment, Weekday } from "../../gql/operations";
import type { LocaleData, Part } from "./locale-data";

type Hours = SettingsPartsFragment["sla"]["businessHours"];
/** Start and end in minutes of the day on which it starts: the end is over 1,440 on the next day. */
type Interval = [number, number];

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
const AROUND_THE_CLOCK = "around the clock";
const WORKING_DAY = "working day";
const GROUPS_BETWEEN = " · ";
/** In place of what is not known while a field is being filled. */
const UNKNOWN = "…";
const CONTENT_LIMIT = 20_000;
const DAY = 1_440;
const TIME = /^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/;

export function dayName(day: Weekday): string {
  return day[0] + day.slice(1).toLowerCase();
}

function minutesOf(time: string): number {
  const [hours, minutes] = time.split(":").map(Number);
  return (hours ?? 0) * 60 + (minutes ?? 0);
}

function isComplete({ week }: Hours): boolean {
  return week.every(({ opens, closes }) => TIME.test(opens) && opens !== "24:00" && TIME.test(closes));
}

/** Return the intervals in order; those that overlap or touch are merged. */
function united(intervals: Interval[]): Interval[] {
  const merged: Interval[] = [];
  for (const [start, end] of intervals.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last && start <= last[1]) {
      last[1] = Math.max(last[1], end);
    } else {
      merged.push([start, end]);
    }
  }
  return merged;
}

/** Return the intervals that begin on each weekday. */
function openings(hours: Hours): Interval[][] {
  return WEEKDAYS.map((weekday) =>
    hours.week
      .filter(({ day }) => day === weekday)
      .map((interval) => {
        const [opens, closes] = [minutesOf(interval.opens), minutesOf(interval.closes)];
        return [opens, closes > opens ? closes : closes + DAY];
      }),
  );
}

function isAroundTheClock(hours: Hours): boolean {
  const days = openings(hours);
  return (
    !hours.week.length ||
    days.every((own, index) => {
      // What is left of the night belongs to the day after.
      const before = (days.at(index - 1) ?? []).filter(([, end]) => end > DAY);
      const [first] = united([...own, ...before.map(([, end]): Interval => [0, end - DAY])]);
      return first?.[0] === 0 && first[1] >= DAY;
    })
  );
}

function inUnits(minutes: number, ...units: [string, number][]): Part[] {
  let rest = minutes;
  const parts: Part[] = [];
  for (const [name, size] of units) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count) {
      parts.push([count, name]);
    }
  }
  return parts.slice(0, 2);
}

function responseTime(minutes: number, hours: Hours, inWorkingDays: boolean): Part[] {
  if (isAroundTheClock(hours)) {
    return inUnits(minutes, ["week", 10_080], ["day", DAY], ["hour", 60], ["minute", 1]);
  }
  const lengths = new Set(
    openings(hours).map((own) => united(own).reduce((sum, [start, end]) => sum + end - start, 0)),
  );
  lengths.delete(0);
  const [length] = lengths;
  if (inWorkingDays && lengths.size === 1 && length && minutes % length === 0) {
    return inUnits(minutes, [WORKING_DAY, length]);
  }
  return inUnits(minutes, ["hour", 60], ["minute", 1]);
}

function responseTimeInWords(minutes: number, hours: Hours, words?: LocaleData): string {
  if (!Number.isInteger(minutes) || minutes < 1 || !isComplete(hours)) {
    return UNKNOWN;
  }
  const parts = responseTime(minutes, hours, words?.hasUnit(WORKING_DAY) ?? true);
  if (words) {
    return words.duration(parts);
  }
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`).join(" and ");
}

/** Return the schedule in a language, in which a night belongs to the day on which it begins. */
function localizedHours(hours: Hours, words: LocaleData): string {
  if (!isComplete(hours)) {
    return UNKNOWN;
  }
  const groups = new Map<string, number[]>();
  for (const [day, intervals] of nightsJoined(daysApart(hours)).entries()) {
    if (intervals.length) {
      const times = words.listed(intervals.map(([start, end]) => words.timesBetween(start, end)));
      groups.set(times, [...(groups.get(times) ?? []), day]);
    }
  }
  const schedule = [...groups]
    .map(([times, days]) => words.scheduled(localizedDays(days, words), times))
    .join(GROUPS_BETWEEN);
  return isAroundTheClock(hours) ? schedule : `${schedule} (${hours.timezone.replaceAll("_", " ")})`;
}

/** Return the intervals of each weekday from midnight to midnight. */
function daysApart(hours: Hours): Interval[][] {
  const days = WEEKDAYS.map((): Interval[] => (hours.week.length ? [] : [[0, DAY]]));
  for (const [day, intervals] of openings(hours).entries()) {
    for (const [start, end] of intervals) {
      days[day]?.push([start, Math.min(end, DAY)]);
      if (end > DAY) {
        days[(day + 1) % 7]?.push([0, end - DAY]);
      }
    }
  }
  return days.map(united);
}

/** Return the intervals with those of one night joined, unless they are 24 hours or longer. */
function nightsJoined(days: Interval[][]): Interval[][] {
  const joinedDays = days.map((day) => [...day]);
  for (const [number, day] of days.entries()) {
    const next = (number + 1) % 7;
    const [evening, morning] = [day.at(-1), days[next]?.[0]];
    if (evening?.[1] === DAY && morning?.[0] === 0 && morning[1] < evening[0]) {
      joinedDays[number]?.splice(-1, 1, [evening[0], morning[1]]);
      joinedDays[next]?.shift();
    }
  }
  return joinedDays;
}

function localizedDays(days: number[], words: LocaleData): string {
  return words.listed(
    runsOf(days).flatMap((run) => {
      const [first = 0, last = 0] = [run[0], run.at(-1)];
      return run.length > 2 ? [words.daysBetween(first, last)] : run.map((day) => words.day(day));
    }),
  );
}

/** Return the schedule in words. Days with the same times are joined. */
export function hoursInWords(hours: Hours): string {
  if (!isComplete(hours)) {
    return UNKNOWN;
  }
  if (isAroundTheClock(hours)) {
    return AROUND_THE_CLOCK;
  }
  const groups = new Map<string, number[]>();
  for (const [day, own] of openings(hours).entries()) {
    if (own.length) {
      const times = joined(united(own).map(timesInWords));
      groups.set(times, [...(groups.get(times) ?? []), day]);
    }
  }
  const words = [...groups].map(([times, days]) => `${daysInWords(days)} ${times}`).join("; ");
  const zone = hours.timezone.replaceAll("_", " ");
  return `${words} (${zone}${zone === "UTC" ? "" : " time"})`;
}

function timesInWords([start, end]: Interval): string {
  if (start === 0 && end === DAY) {
    return "all day";
  }
  return `${clockTime(start)} to ${end <= DAY ? clockTime(end) : `${clockTime(end - DAY)} the next day`}`;
}

function clockTime(minutes: number): string {
  return [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

/** Return consecutive days as “Saturday to Monday”, also across the end of the week. */
function daysInWords(days: number[]): string {
  if (days.length === WEEKDAYS.length) {
    return "every day";
  }
  return joined(
    runsOf(days).flatMap((run) => {
      const names = run.map((day) => dayName(WEEKDAYS[day] as Weekday));
      return names.length > 2 ? [`${names[0]} to ${names.at(-1)}`] : names;
    }),
  );
}

/** Return the consecutive days, also across the end of the week. */
function runsOf(days: number[]): number[][] {
  const first = days.find((day) => !days.includes((day + 6) % 7)) ?? 0;
  const runs: number[][] = [];
  for (const day of days.toSorted((a, b) => ((a - first + 7) % 7) - ((b - first + 7) % 7))) {
    const run = runs.at(-1);
    if (run && day === ((run.at(-1) ?? 0) + 1) % 7) {
      run.push(day);
    } else {
      runs.push([day]);
    }
  }
  return runs;
}

function joined(parts: string[]): string {
  return parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}` : parts.join("");
}

/** Return the confirmation with its placeholders filled in a language, or in English. */
export function renderConfirmation(
  template: string,
  sla: SettingsPartsFragment["sla"],
  language?: LocaleData,
): string {
  const target =
    sla.targetsByPriority.find(({ priority }) => priority === sla.defaultPriority)?.targetResponseMinutes ??
    sla.targetResponseMinutes;
  const words = template === DEFAULT ? undefined : language;
  const time = responseTimeInWords(target, sla.businessHours, words);
  const schedule = words ? localizedHours(sla.businessHours, words) : hoursInWords(sla.businessHours);
  const plain = template === DEFAULT && (schedule === AROUND_THE_CLOCK || time.includes(WORKING_DAY));
  const filled = (plain ? DEFAULT.replace(" during business hours", "") : template)
    .replaceAll("{response_time}", () => time)
    .replaceAll("{business_hours}", () => schedule);
  return [...filled].slice(0, CONTENT_LIMIT).join("");
}
