import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { matchKeys } from "./keys";
import { createQuietCall } from "./quiet";
import { narrow } from "./server-time";
import { changedFields, collisions, rebase, type Settings, toInput } from "./settings/form";

const binding = (key: string) => ({ key, text: key, group: "", run() {} });

describe("keys", () => {
  const bindings = [binding("j"), binding("g e"), binding("Escape")];

  test("keys in either case match by their character", () => {
    expect(matchKeys(bindings, ["J"]).binding?.key).toBe("j");
    expect(matchKeys(bindings, ["Escape"]).binding?.key).toBe("Escape");
  });

  test("keys that begin a sequence wait for the rest", () => {
    expect(matchKeys(bindings, ["g"])).toEqual({ binding: undefined, partial: true });
    expect(matchKeys(bindings, ["g", "e"]).binding?.key).toBe("g e");
  });
});

describe("quiet call", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("quiet call runs once after the last request", () => {
    const run = vi.fn();
    const call = createQuietCall(run, 300, 2_000);
    call.request();
    vi.advanceTimersByTime(200);
    call.request();
    vi.advanceTimersByTime(299);
    expect(run).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledOnce();
  });

  test("quiet call runs at the latest although requests go on", () => {
    const run = vi.fn();
    const call = createQuietCall(run, 300, 2_000);
    for (let at = 0; at < 2_000; at += 100) {
      call.request();
      vi.advanceTimersByTime(100);
    }
    expect(run).toHaveBeenCalledOnce();
  });
});

describe("server time", () => {
  test("server time is narrowed by each answer", () => {
    const first = narrow(undefined, 10_000, 4_900, 5_000);
    expect(first).toEqual({ low: 5_000, high: 6_100 });
    expect(narrow(first, 11_000, 5_950, 6_000)).toEqual({ low: 5_000, high: 6_050 });
  });

  test("server time starts again after a clock was set", () => {
    const first = narrow(undefined, 10_000, 4_900, 5_000);
    expect(narrow(first, 100_000, 6_000, 6_100)).toEqual({ low: 93_900, high: 95_000 });
  });
});

describe("settings form", () => {
  const base = {
    agentId: "agt",
    version: 3,
    autoEscalation: { enabled: true, confidenceThreshold: 50, delaySeconds: 0 },
    widget: { buttonText: "Talk", allowedOrigins: ["https://a"] },
  } as unknown as Settings;
  const mine = { ...base, autoEscalation: { ...base.autoEscalation, confidenceThreshold: 60 } };
  const theirs = {
    ...base,
    version: 4,
    autoEscalation: { ...base.autoEscalation, confidenceThreshold: 70, delaySeconds: 30 },
  };

  test("changed settings form sends the changed fields and the version only", () => {
    expect(toInput(base, mine)).toEqual({
      agentId: "agt",
      expectedVersion: 3,
      autoEscalation: { confidenceThreshold: 60 },
    });
  });

  test("fields that both have changed are named", () => {
    expect(collisions(base, mine, theirs)).toEqual([
      { path: "autoEscalation.confidenceThreshold", mine: 60, theirs: 70 },
    ]);
  });

  test("rebased settings form keeps the colleague's other fields", () => {
    const rebased = rebase(base, mine, theirs);
    expect(rebased.autoEscalation).toEqual({ enabled: true, confidenceThreshold: 60, delaySeconds: 30 });
    expect([...changedFields(theirs, rebased).keys()]).toEqual(["autoEscalation.confidenceThreshold"]);
  });
});
