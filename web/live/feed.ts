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
import { openSocket, type ServerMessage, type Timer } from "./socket";
import { followWakeUps } from "./wake";

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

const POLL_WATCHED = 3_000;
const POLL_UNWATCHED = 10_000;

export function openFeed(options: FeedOptions): Feed {
  const operations = new Map<string, Operation>();
  let closed = false;
  let atHead = false;
  let offline = false;
  let reading = false;
  let readAgain = false;
  let failures = 0; // Of reads.
  let lastFailure: unknown;
  let ids = 0;
  let status: FeedStatus | undefined;
  let readTimer: Timer;

  const watched = () => document.visibilityState === "visible" && (options.watched?.() ?? true);
  const socket = openSocket(options, {
    watched,
    onUp() {
      offline = false;
      atHead = false;
      operations.forEach(subscribe);
      catchUp();
    },
    onDown() {
      atHead = false;
      report();
      if (!reading) {
        readLater(POLL_WATCHED);
      }
    },
    onMessage: receive,
    onBlocked: options.onError,
    onDenied: end,
  });

  function report() {
    const behind = socket.isUp() ? "catching up" : "connecting";
    const next: FeedStatus = offline ? "offline" : atHead ? "live" : behind;
    if (next !== status && !closed) {
      status = next;
      options.onStatus(next);
    }
  }

  async function catchUp() {
    report();
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
      readLater(backoff(failures, lastFailure));
    } else if (!socket.isUp()) {
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
    lastFailure = error;
    if (isFinal(error)) {
      end(error);
    } else if (!socket.isUp()) {
      offline = true;
    }
  }

  function follow(cursor: string) {
    for (const { query, onEvent } of options.subscriptions) {
      const variables = { ...options.variables, after: cursor };
      operations.set(String(++ids), { payload: { query, variables }, onEvent });
    }
    if (socket.isUp()) {
      operations.forEach(subscribe);
    } else {
      socket.connect();
    }
  }

  function subscribe({ payload }: Operation, id: string) {
    socket.send({ id, type: "subscribe", payload });
  }

  function receive({ type, id, payload }: ServerMessage) {
    const operation = operations.get(id);
    if (operation) {
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
      socket.send({ id, type: "complete" });
    }
    operations.clear();
    atHead = false;
    if (error.code !== "RESYNC_REQUIRED") {
      failures++;
    }
    report();
    readLater(failures ? backoff(failures, error) : 0);
  }

  /** An open socket proves nothing after sleep: probe it, and read in the meantime. */
  function wake() {
    if (closed) {
      return;
    }
    failures = 0;
    atHead = false;
    socket.probe();
    if (operations.size) {
      // One that is being opened has its own time-out: a browser warns of each that is closed before.
      socket.connect();
    }
    catchUp();
  }

  function onOffline() {
    offline = true;
    socket.disconnect();
    report();
  }

  const stopWakeUps = followWakeUps(wake, onOffline, socket.disconnect);

  function end(error: unknown) {
    if (!closed) {
      close();
      options.onError(error);
    }
  }

  function close() {
    closed = true;
    stopWakeUps();
    socket.close();
    clearTimeout(readTimer);
  }

  catchUp();
  return { wake, close };
}
