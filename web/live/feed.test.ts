import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeSocket, settle } from "./fake-socket";
import { type Feed, type FeedOptions, openFeed } from "./feed";
import { ApiError, NetworkError } from "./request";

let feed: Feed | undefined;
let statuses: string[];
let errors: unknown[];
let cursors: string[];
let page: EventTarget & { visibilityState: string };
let shell: EventTarget;

function open(options: Partial<FeedOptions> = {}) {
  feed = openFeed({
    url: "https://baton.example/graphql",
    variables: { id: "conv_1" },
    subscriptions: [{ query: "subscription", onEvent: ({ cursor }) => cursors.push(cursor) }],
    token: async () => "token",
    read: async () => "head",
    onStatus: (status) => statuses.push(status),
    onError: (error) => errors.push(error),
    ...options,
  });
  return feed;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.999);
  FakeSocket.all = [];
  statuses = [];
  errors = [];
  cursors = [];
  shell = new EventTarget();
  page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("window", shell);
  vi.stubGlobal("document", page);
});

afterEach(() => {
  feed?.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("connection", () => {
  test("new feed reads, subscribes after the cursor, and is live after a read on the open connection", async () => {
    let reads = 0;
    open({ read: async () => `head ${++reads}` });
    await settle();
    expect(FakeSocket.last.url).toBe("wss://baton.example/graphql");
    expect(FakeSocket.last.protocol).toBe("graphql-transport-ws");
    await FakeSocket.last.accept();
    expect(FakeSocket.last.sent[0]).toEqual({
      type: "connection_init",
      payload: { authorization: "Bearer token" },
    });
    expect(FakeSocket.last.subscriptions()[0]?.payload?.variables).toEqual({ id: "conv_1", after: "head 1" });
    expect(reads).toBe(2);
    expect(statuses.at(-1)).toBe("live");
  });

  test("read that the service limits is repeated after the time that it asks for", async () => {
    const read = vi.fn(async () => {
      throw new ApiError("RATE_LIMITED", "too many", 90);
    });
    open({ read });
    await vi.advanceTimersByTimeAsync(89_000);
    expect(read).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(read).toHaveBeenCalledTimes(2);
  });

  test("reconnected feed resumes after the last event", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.next("1", "c1");
    FakeSocket.last.next("1", "c2");
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1_100);
    expect(FakeSocket.all).toHaveLength(2);
    await FakeSocket.last.accept();
    expect(FakeSocket.last.subscriptions()[0]?.payload?.variables.after).toBe("c2");
    expect(cursors).toEqual(["c1", "c2"]);
  });

  test("reconnected feed is not live before a read has succeeded", async () => {
    let isFailing = false;
    const read = vi.fn(async () => {
      if (isFailing) {
        throw new NetworkError("away");
      }
      return "head";
    });
    open({ read });
    await settle();
    await FakeSocket.last.accept();
    isFailing = true;
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1_100);
    await FakeSocket.last.accept();
    expect(statuses.at(-1)).toBe("catching up");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(statuses.at(-1)).toBe("catching up");
    isFailing = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(statuses.at(-1)).toBe("live");
  });

  test("feed without a server waits at most 20 s between attempts and never gives up", async () => {
    open();
    await settle();
    for (let attempt = 0; attempt < 30; attempt++) {
      const before = FakeSocket.all.length;
      FakeSocket.last.drop();
      await vi.advanceTimersByTimeAsync(20_000);
      expect(FakeSocket.all.length).toBeGreaterThan(before);
    }
  });

  test("attempts to reconnect are spread over the whole wait", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.25);
    open();
    await settle();
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(240);
    expect(FakeSocket.all).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("connection that is not acknowledged within 10 s is given up", async () => {
    open();
    await settle();
    await vi.advanceTimersByTimeAsync(9_900);
    expect(FakeSocket.last.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(200);
    expect(FakeSocket.last.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(1_100);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("connection without pong for 15 s is given up and not shown as live", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.isDead = true;
    await vi.advanceTimersByTimeAsync(4_000);
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "ping" });
    await vi.advanceTimersByTimeAsync(10_100);
    expect(FakeSocket.all[0]?.closed).toBe(true);
    expect(statuses.at(-1)).not.toBe("live");
  });

  test("connection that answers pings is kept", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    await vi.advanceTimersByTimeAsync(41_000);
    expect(FakeSocket.last.sent.filter(({ type }) => type === "ping")).toHaveLength(10);
    expect(FakeSocket.all).toHaveLength(1);
    expect(FakeSocket.last.closed).toBe(false);
  });

  test("new credential is asked for after 4403 only", async () => {
    const token = vi.fn(async () => "token");
    open({ token });
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.drop(1012);
    await vi.advanceTimersByTimeAsync(1_100);
    await FakeSocket.last.accept();
    FakeSocket.last.drop(4403);
    await vi.advanceTimersByTimeAsync(2_100);
    await FakeSocket.last.accept();
    expect(token.mock.calls).toEqual([[false], [false], [true]]);
  });

  test("feed without a credential ends", async () => {
    open({
      token: async () => {
        throw new ApiError("UNAUTHENTICATED", "expired");
      },
    });
    await settle();
    await FakeSocket.last.onopen?.();
    expect(errors).toEqual([expect.objectContaining({ code: "UNAUTHENTICATED" })]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });

  test.each([4400, 4401, 4406, 4409, 4429, 4500, 1009])(
    "feed after the final code %i polls",
    async (code) => {
      const read = vi.fn(async () => "head");
      open({ read });
      await settle();
      await FakeSocket.last.accept();
      FakeSocket.last.drop(code);
      const before = read.mock.calls.length;
      await vi.advanceTimersByTimeAsync(30_000);
      expect(FakeSocket.all).toHaveLength(1);
      expect(errors).toHaveLength(1);
      expect(read.mock.calls.length).toBeGreaterThan(before + 5);
      expect(statuses.at(-1)).toBe("live");
    },
  );
});

describe("polling", () => {
  test("feed reads every 3 s while WebSockets are blocked, and stops when one is open", async () => {
    const read = vi.fn(async () => "head");
    open({ read });
    await settle();
    for (let second = 0; second < 20; second++) {
      FakeSocket.last.drop();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(read.mock.calls.length).toBeGreaterThanOrEqual(6);
    expect(statuses.at(-1)).toBe("live");
    await vi.advanceTimersByTimeAsync(20_000);
    await FakeSocket.last.accept();
    const before = read.mock.calls.length;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(read.mock.calls.length).toBe(before);
  });

  test("feed is offline while nothing answers", async () => {
    open({
      read: async () => {
        throw new NetworkError("away");
      },
    });
    await settle();
    expect(statuses.at(-1)).toBe("offline");
    expect(FakeSocket.all).toHaveLength(0);
  });
});

describe("errors of a subscription", () => {
  test("feed after RESYNC_REQUIRED reads again and subscribes with the new cursor", async () => {
    let head = "old";
    open({ read: async () => head });
    await settle();
    await FakeSocket.last.accept();
    head = "new";
    FakeSocket.last.fail("1", "RESYNC_REQUIRED");
    await vi.advanceTimersByTimeAsync(10);
    expect(FakeSocket.last.subscriptions().map(({ payload }) => payload?.variables.after)).toEqual([
      "old",
      "new",
    ]);
    expect(statuses.at(-1)).toBe("live");
    FakeSocket.last.next("1", "late event of the ended subscription");
    expect(cursors).toEqual([]);
  });

  test("feed after a temporary error subscribes again", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.fail("1", "UNAVAILABLE");
    expect(statuses.at(-1)).toBe("catching up");
    await vi.advanceTimersByTimeAsync(1_100);
    expect(FakeSocket.last.subscriptions()).toHaveLength(2);
    expect(statuses.at(-1)).toBe("live");
  });

  test("feed after a final error ends", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.fail("1", "FORBIDDEN");
    expect(errors).toEqual([expect.objectContaining({ code: "FORBIDDEN" })]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });

  test("feed with a failing listener goes on", async () => {
    open({
      subscriptions: [
        {
          query: "subscription",
          onEvent: ({ cursor }) => {
            cursors.push(cursor);
            throw new Error(cursor);
          },
        },
      ],
    });
    await settle();
    await FakeSocket.last.accept();
    FakeSocket.last.next("1", "c1");
    FakeSocket.last.next("1", "c2");
    expect(cursors).toEqual(["c1", "c2"]);
    expect(errors).toHaveLength(2);
  });
});

describe("waking", () => {
  test.each(["online", "pageshow", "resume", "visibilitychange"])("event %s ends a wait", async (name) => {
    open();
    await settle();
    await FakeSocket.last.accept();
    for (let attempt = 0; attempt < 6; attempt++) {
      FakeSocket.last.drop();
      await vi.advanceTimersByTimeAsync(20_000);
    }
    FakeSocket.last.drop();
    const before = FakeSocket.all.length;
    const target = name === "online" || name === "pageshow" ? shell : page;
    target.dispatchEvent(Object.assign(new Event(name), { persisted: true }));
    await settle();
    expect(FakeSocket.all.length).toBe(before + 1);
  });

  test("open connection is probed after a pause of the page, which reads in the meantime", async () => {
    const read = vi.fn(async () => "head");
    open({ read });
    await settle();
    await FakeSocket.last.accept();
    const before = read.mock.calls.length;
    FakeSocket.last.isDead = true;
    page.dispatchEvent(new Event("resume"));
    await settle();
    expect(FakeSocket.last.sent.at(-1)).toEqual({ type: "ping" });
    expect(read.mock.calls.length).toBe(before + 1);
    await vi.advanceTimersByTimeAsync(10_100);
    expect(FakeSocket.all[0]?.closed).toBe(true);
  });

  test("feed of an offline browser is offline, and reconnects when it is back", async () => {
    open();
    await settle();
    await FakeSocket.last.accept();
    shell.dispatchEvent(new Event("offline"));
    expect(statuses.at(-1)).toBe("offline");
    shell.dispatchEvent(new Event("online"));
    await settle();
    await FakeSocket.last.accept();
    expect(statuses.at(-1)).toBe("live");
  });

  test("closed feed does nothing", async () => {
    const read = vi.fn(async () => "head");
    open({ read }).close();
    await settle();
    const before = read.mock.calls.length;
    shell.dispatchEvent(new Event("online"));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read.mock.calls.length).toBe(before);
    expect(FakeSocket.all).toHaveLength(0);
  });
});
