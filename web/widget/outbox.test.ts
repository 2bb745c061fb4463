import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, NetworkError } from "../live/request";
import { openOutbox } from "./outbox";
import { openStore, type QueuedMessage, type Store } from "./store";

let kept: Map<string, string>;
let store: Store;
let delivered: QueuedMessage[];
let failure: (() => Error) | undefined;
let errors: unknown[];

const deliver = async (message: QueuedMessage) => {
  if (failure) {
    throw failure();
  }
  delivered.push({ ...message });
};

function open() {
  store = openStore("agt_1", "local", () => {});
  const report = (error: unknown) => errors.push(error);
  return openOutbox("baton:agt_1", store, deliver, report, () => {});
}

const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
  kept = new Map();
  delivered = [];
  failure = undefined;
  errors = [];
  const localStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  };
  vi.stubGlobal("window", Object.assign(new EventTarget(), { localStorage }));
  vi.stubGlobal("navigator", {});
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("messages are sent in order, and none that has arrived is kept", async () => {
  const outbox = open();
  outbox.add("one");
  outbox.add("two");
  await settle();
  expect(delivered.map(({ text }) => text)).toEqual(["one", "two"]);
  expect(JSON.parse(kept.get("baton:agt_1") as string).outbox).toEqual([]);
});

test("message that an earlier page has left is sent with the same key", async () => {
  failure = () => new NetworkError("away");
  const before = open();
  before.add("one");
  await settle();
  const { key } = store.get().outbox[0] as QueuedMessage;
  before.close();
  failure = undefined;
  await open().flush();
  expect(delivered).toEqual([expect.objectContaining({ key, text: "one" })]);
});

test("failed message is sent again with the same key until it succeeds", async () => {
  failure = () => new NetworkError("away");
  const outbox = open();
  outbox.add("one");
  await vi.advanceTimersByTimeAsync(60_000);
  expect(outbox.problem()).toBe("OFFLINE");
  const { key } = store.get().outbox[0] as QueuedMessage;
  failure = undefined;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(delivered.map((message) => message.key)).toEqual([key]);
  expect(outbox.problem()).toBeUndefined();
});

test("rate-limited message waits as long as the server asks for", async () => {
  failure = () => new ApiError("RATE_LIMITED", "slow down", 30);
  const outbox = open();
  outbox.add("one");
  await settle();
  failure = undefined;
  await vi.advanceTimersByTimeAsync(29_000);
  expect(delivered).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(delivered).toHaveLength(1);
});

test("refused message is set aside, and the next is sent", async () => {
  const outbox = open();
  failure = () => new ApiError("BAD_USER_INPUT", "too long");
  outbox.add("one");
  await settle();
  failure = undefined;
  outbox.add("two");
  await settle();
  expect(delivered.map(({ text }) => text)).toEqual(["two"]);
  const [refused] = store.get().outbox;
  expect(refused).toMatchObject({ text: "one", failed: "BAD_USER_INPUT" });
  outbox.retry((refused as QueuedMessage).key);
  await settle();
  expect(delivered.map(({ text }) => text)).toEqual(["two", "one"]);
});

test("message whose key the server may have forgotten is sent only after the writer agrees", async () => {
  failure = () => new NetworkError("away");
  const before = open();
  before.add("one");
  await settle();
  const { key } = store.get().outbox[0] as QueuedMessage;
  before.close();
  failure = undefined;
  vi.setSystemTime(Date.now() + 24 * 3600_000);
  const outbox = open();
  await outbox.flush();
  expect(delivered).toEqual([]);
  expect(store.get().outbox[0]?.failed).toBe("EXPIRED");
  outbox.retry(key);
  await settle();
  expect(delivered).toHaveLength(1);
  expect(delivered[0]?.key).not.toBe(key);
});

test("messages are kept in memory where storage is denied", async () => {
  vi.stubGlobal(
    "window",
    Object.defineProperty(new EventTarget(), "localStorage", {
      get() {
        throw new DOMException("denied", "SecurityError");
      },
    }),
  );
  failure = () => new NetworkError("away");
  const outbox = open();
  outbox.add("one");
  await settle();
  expect(store.get().outbox).toHaveLength(1);
  failure = undefined;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(delivered).toHaveLength(1);
});

test("outbox stores nothing before the first message", async () => {
  const outbox = open();
  store.update({ open: true });
  expect(kept.size).toBe(0);
  outbox.add("one");
  expect(kept.size).toBe(1);
});
