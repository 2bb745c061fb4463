import { describe, expect, test } from "vitest";
import { countdownAt, formatDuration } from "./countdown";

const at = (text: string) => Date.parse(`2026-03-02T${text}:00Z`);
const segment = (from: string, to: string, running: boolean) => ({
  from: new Date(at(from)).toISOString(),
  to: new Date(at(to)).toISOString(),
  running,
  label: running ? "business_hours" : "closed",
});
/** Two hours of business time: one before the break from 12:00 to 13:00, one after it. */
const sla = {
  status: "ON_TRACK" as const,
  outcome: "RUNNING" as const,
  targetMinutes: 120,
  atRiskAt: new Date(at("13:36")).toISOString(),
  dueAt: new Date(at("14:00")).toISOString(),
  segments: [
    segment("11:00", "12:00", true),
    segment("12:00", "13:00", false),
    segment("13:00", "14:00", true),
  ],
};

describe("countdown", () => {
  test("countdown in business hours counts business time only", () => {
    expect(countdownAt(sla, at("11:30"))).toEqual({ kind: "running", left: 90 * 60_000, status: "ON_TRACK" });
  });

  test("countdown outside business hours stands still and says until when", () => {
    const early = countdownAt(sla, at("12:01"));
    expect(early).toEqual({
      kind: "standing",
      left: 60 * 60_000,
      status: "ON_TRACK",
      until: at("13:00"),
      label: "closed",
    });
    expect(countdownAt(sla, at("12:59"))).toEqual(early);
  });

  test("countdown after the share of the target is at risk, and from the due time on overdue", () => {
    expect(countdownAt(sla, at("13:36"))).toMatchObject({ kind: "running", status: "AT_RISK" });
    expect(countdownAt(sla, at("14:00"))).toEqual({ kind: "overdue", since: at("14:00") });
  });

  test("countdown of a clock with unlisted segments counts the whole target", () => {
    const long = { ...sla, segments: sla.segments.slice(0, 2) };
    expect(countdownAt(long, at("11:30"))).toMatchObject({ kind: "running", left: 90 * 60_000 });
    expect(countdownAt(long, at("12:30"))).toMatchObject({
      kind: "standing",
      left: 60 * 60_000,
      until: at("13:00"),
    });
    expect(countdownAt(long, at("13:30"))).toMatchObject({ kind: "running", left: 30 * 60_000 });
  });

  test("countdown of a stopped clock is its outcome", () => {
    expect(countdownAt({ ...sla, outcome: "MET" }, at("23:00"))).toEqual({ kind: "stopped", outcome: "MET" });
  });
});

test("business time is never in days of the calendar", () => {
  expect(formatDuration(183_600_000, false)).toBe("51 h");
  expect(formatDuration(3_900_000, false)).toBe("1 h 05 min");
});

test.each([
  [187_000, "3:07"],
  [600_000, "10 min"],
  [3_900_000, "1 h 05 min"],
  [183_600_000, "2 d 3 h"],
  [-5, "0:00"],
])("duration of %d ms is %s", (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});
