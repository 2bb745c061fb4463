/**
 * The live client: a state that is read once and kept up to date, whatever happens to the network.
 *
 * `read` fetches the state over HTTP and returns its cursor. The subscriptions continue from that cursor over a
 * WebSocket (graphql-transport-ws), and each advances its own `after` in place, so that it resumes after its last event
 * when it is sent again on a new connection. `read` is also what answers RESYNC_REQUIRED, what proves after a reconnect
 * that nothing is missing, and what is polled while WebSockets are blocked. So it must merge what it gets, and may be
 * called at any time.
 *
 * The status is "live" only after a `read` that began when the connection was up, or while polling succeeds.
 */

import { backoff } from "./backoff";
import { type GraphQLFailure, isFinal, toApiError } from "./request";

export type FeedStatus = "connecting" | "live" | "catching up" | "offline";

export interface LiveEvent {
  cursor: string;
}

export interface Subscription {
  /** A document with one root field that selects `cursor`, and a variable `after`. */
  query: string;
  onEvent(event: LiveEvent): void;
}

export interface FeedOptions {
  /** The GraphQL endpoint, http(s). */
  url: string;
  variables: Record<string, unknown>;
  subscriptions: readonly Subscription[];
  /** Return the credential; `refused` is true if the server has refused the last one. */
  token?(refused: boolean): Promise<string>;
  read(): Promise<string>;
  onStatus(status: FeedStatus): void;
  /** An error that repeating cannot mend. The feed has ended if it is an ApiError. */
  onError(error: unknown): void;
  /** Return true while somebody looks: a broken connection is then noticed sooner. */
  watched?(): boolean;
}

export interface Feed {
  /** Check now whether everything has arrived, without waiting for a timer. */
  wake(): void;
  close(): void;
}

/** A running operation. The same `payload` is sent again on each connection. */
interface Operation {
  payload: { query: string; variables: Record<string, unknown> };
  onEvent(event: LiveEvent): void;
}

interface ServerMessage {
  type: "connection_ack" | "next" | "error" | "complete" | "ping" | "pong";
  id: string;
  // biome-ignore lint/suspicious/noExplicitAny: depends on the type.
  payload: any;
}

const PONG_TIMEOUT = 10_000;
const PING_WATCHED = 4_000;
const PING_UNWATCHED = 25_000;
const POLL_WATCHED = 3_000;
const POLL_UNWATCHED = 10_000;
/** A connection that lived this long was a good one: its end counts as the first failure. */
const STABLE = 5_000;
/** Faults of this client, which another attempt would repeat. All other codes are temporary. */
const FINAL_CODES = [1009, 4400, 4401, 4406, 4409, 4429, 4500];

type Timer = ReturnType<typeof setTimeout> | undefined;

export function openFeed(options: FeedOptions): Feed {
  const operations = new Map<string, Operation>();
  let socket: WebSocket | undefined;
  let isUp = false; // The socket is acknowledged.
  let upSince = 0;
  let attempts = 0; // Connections since the last good one.
  let isBlocked = false; // After a final close code.
  let refused = false;
  let closed = false;
  let atHead = false;
  let offline = false;
  let reading = false;
  let readAgain = false;
  let failures = 0; // Of reads.
  let ids = 0;
  let status: FeedStatus | undefined;
  let readTimer: Timer;
  let connectTimer: Timer;
  let pingTimer: Timer;
  let pongTimer: Timer;

  const watched = () => document.visibilityState === "visible" && (options.watched?.() ?? true);

  function report() {
    const next: FeedStatus = offline ? "offline" : atHead ? "live" : isUp ? "catching up" : "connecting";
    if (next !== status && !closed) {
      status = next;
      options.onStatus(next);
    }
  }

  // ------------------------------------------------------------------------------------------ reading

  async function catchUp() {
    clearTimeout(readTimer);
    if (reading) {
      readAgain = true;
      return;
    }
    reading = true;
    do {
      readAgain = false;
      try {
        const cursor = await options.read();
        failures = 0;
        offline = false;
        // A reconnect or an event in between has asked for another look.
        atHead = !readAgain;
        if (!operations.size && !closed) {
          follow(cursor);
        }
      } catch (error) {
        failRead(error);
      }
    } while (readAgain && !failures && !closed);
    reading = false;
    report();
    if (failures) {
      readLater(backoff(failures));
    } else if (!isUp) {
      readLater(watched() ? POLL_WATCHED : POLL_UNWATCHED);
    }
  }

  function readLater(wait: number) {
    clearTimeout(readTimer);
    if (!closed) {
      readTimer = setTimeout(catchUp, wait);
    }
  }

  function failRead(error: unknown) {
    atHead = false;
    failures++;
    if (isFinal(error)) {
      end(error);
    } else if (!isUp) {
      offline = true;
    }
  }

  // ---------------------------------------------------------------------------------------- following

  function follow(cursor: string) {
    for (const { query, onEvent } of options.subscriptions) {
      const variables = { ...options.variables, after: cursor };
      operations.set(String(++ids), { payload: { query, variables }, onEvent });
    }
    if (isUp) {
      operations.forEach(subscribe);
    } else if (!socket) {
      connect();
    }
  }

  function subscribe({ payload }: Operation, id: string) {
    send({ id, type: "subscribe", payload });
  }

  function receive({ type, id, payload }: ServerMessage) {
    const operation = operations.get(id);
    if (type === "connection_ack") {
      acknowledge();
    } else if (type === "ping") {
      send({ type: "pong" });
    } else if (type === "pong") {
      pingLater();
    } else if (operation) {
      if (type === "next" && !payload.errors) {
        deliver(operation, payload.data);
      } else {
        refollow(payload?.errors ?? payload ?? []);
      }
    }
  }

  function deliver({ payload, onEvent }: Operation, data: Record<string, LiveEvent>) {
    for (const event of Object.values(data)) {
      payload.variables.after = event.cursor;
      try {
        onEvent(event);
      } catch (error) {
        options.onError(error);
      }
    }
  }

  /** Read the state again and subscribe after its cursor: RESYNC_REQUIRED, or the server cannot go on. */
  function refollow(errors: readonly GraphQLFailure[]) {
    const error = toApiError(errors);
    if (isFinal(error)) {
      return end(error);
    }
    for (const id of operations.keys()) {
      send({ id, type: "complete" });
    }
    operations.clear();
    atHead = false;
    if (error.code !== "RESYNC_REQUIRED") {
      failures++;
    }
    report();
    readLater(failures ? backoff(failures) : 0);
  }

  // --------------------------------------------------------------------------------------- connection

  function send(message: object) {
    socket?.send(JSON.stringify(message));
  }

  function connect() {
    clearTimeout(connectTimer);
    if (closed || isBlocked) {
      return;
    }
    const opening = new WebSocket(options.url.replace(/^http/, "ws"), "graphql-transport-ws");
    socket = opening;
    // A connection that is never opened has no time-out of its own.
    connectTimer = setTimeout(disconnect, PONG_TIMEOUT);
    opening.onopen = async () => {
      const wasRefused = refused;
      refused = false;
      try {
        const token = await options.token?.(wasRefused);
        if (socket === opening) {
          send({ type: "connection_init", payload: token && { authorization: `Bearer ${token}` } });
        }
      } catch (error) {
        if (isFinal(error)) {
          end(error);
        } else {
          opening.close();
        }
      }
    };
    opening.onmessage = ({ data }) => socket === opening && receive(JSON.parse(data));
    opening.onclose = ({ code }) => socket === opening && lose(code);
  }

  function acknowledge() {
    clearTimeout(connectTimer);
    isUp = true;
    upSince = Date.now();
    offline = false;
    atHead = false;
    operations.forEach(subscribe);
    pingLater();
    report();
    catchUp();
  }

  /** Give the connection up without waiting for its end: a dead one may take minutes. */
  function disconnect() {
    if (socket) {
      const old = socket;
      lose(0);
      old.close();
    }
  }

  function lose(code: number) {
    for (const timer of [connectTimer, pingTimer, pongTimer]) {
      clearTimeout(timer);
    }
    socket = undefined;
    pongTimer = undefined;
    refused ||= code === 4403;
    if (isUp) {
      isUp = false;
      atHead = false;
      attempts = Date.now() - upSince > STABLE ? 0 : attempts;
      report();
      if (!reading) {
        readLater(POLL_WATCHED);
      }
    }
    if (FINAL_CODES.includes(code)) {
      isBlocked = true;
      options.onError(new Error(`The server closed the connection with code ${code}.`));
    } else if (!closed) {
      connectTimer = setTimeout(connect, backoff(++attempts));
    }
  }

  function pingLater() {
    clearTimeout(pingTimer);
    clearTimeout(pongTimer);
    pongTimer = undefined;
    pingTimer = setTimeout(ping, watched() ? PING_WATCHED : PING_UNWATCHED);
  }

  function ping() {
    clearTimeout(pingTimer);
    if (!pongTimer) {
      pongTimer = setTimeout(disconnect, PONG_TIMEOUT);
      send({ type: "ping" });
    }
  }

  // ------------------------------------------------------------------------------------------- waking

  /** An open socket proves nothing after sleep: probe it, and read in the meantime. */
  function wake() {
    if (closed) {
      return;
    }
    failures = 0;
    attempts = 0;
    atHead = false;
    if (isUp) {
      ping();
    } else if (operations.size && !socket) {
      // One that is being opened has its own time-out: a browser warns of each that is closed before.
      connect();
    }
    report();
    catchUp();
  }

  function onVisibility() {
    if (document.visibilityState === "visible") {
      wake();
    }
  }

  function onOffline() {
    offline = true;
    disconnect();
    report();
  }

  // Every load shows the page: only a return from the back/forward cache is a wake-up.
  const onShow = (event: Event) => (event as PageTransitionEvent).persisted && wake();

  const listeners: [EventTarget, string, (event: Event) => void][] = [
    [window, "online", wake],
    [window, "pageshow", onShow],
    [document, "resume", wake],
    [document, "visibilitychange", onVisibility],
    [window, "offline", onOffline],
    // Not every browser keeps a page with an open socket in its back/forward cache.
    [window, "pagehide", disconnect],
  ];

  function end(error: unknown) {
    if (!closed) {
      close();
      options.onError(error);
    }
  }

  function close() {
    closed = true;
    for (const [target, name, listener] of listeners) {
      target.removeEventListener(name, listener);
    }
    disconnect();
    clearTimeout(readTimer);
    clearTimeout(connectTimer);
  }

  for (const [target, name, listener] of listeners) {
    target.addEventListener(name, listener);
  }
  report();
  catchUp();
  return { wake, close };
}
