/**
 * One WebSocket at a time to the service (graphql-transport-ws), which reconnects after each loss, and is watched.
 *
 * A socket that is open proves nothing after sleep, so pings are sent and their answers timed. What is sent while there
 * is no connection is dropped: the user of this module sends again in `onUp`.
 */

import { backoff } from "./backoff";
import { isFinal } from "./request";

export interface ServerMessage {
  type: "connection_ack" | "next" | "error" | "complete" | "ping" | "pong";
  id: string;
  // biome-ignore lint/suspicious/noExplicitAny: depends on the type.
  payload: any;
}

export interface SocketOptions {
  /** The GraphQL endpoint, http(s). */
  url: string;
  /** Return the credential; `refused` is true if the server has refused the last one. */
  token?(refused: boolean): Promise<string>;
}

export interface SocketHandlers {
  /** Return true while somebody looks: a broken connection is then noticed sooner. */
  watched(): boolean;
  /** The connection is acknowledged. */
  onUp(): void;
  /** A connection that was up is lost. Another is tried. */
  onDown(): void;
  /** A message of an operation. */
  onMessage(message: ServerMessage): void;
  /** A connection was closed with a final code, so no other is tried. */
  onBlocked(error: Error): void;
  /** There is no credential, and asking again does not help. */
  onDenied(error: unknown): void;
}

export interface LiveSocket {
  isUp(): boolean;
  send(message: object): void;
  /** Connect now, unless there is a connection or one is being opened. */
  connect(): void;
  /** After sleep: forget the failures, and probe the connection. */
  probe(): void;
  /** Give the connection up without waiting for its end: a dead one may take minutes. Another is tried. */
  disconnect(): void;
  close(): void;
}

const PONG_TIMEOUT = 10_000;
const PING_WATCHED = 4_000;
const PING_UNWATCHED = 25_000;
/** A connection that lived this long was a good one: its end counts as the first failure. */
const STABLE = 5_000;
/** Faults of this client, which another attempt would repeat. All other codes are temporary. */
const FINAL_CODES = [1009, 4400, 4401, 4406, 4409, 4429, 4500];

export type Timer = ReturnType<typeof setTimeout> | undefined;

export function openSocket(options: SocketOptions, handlers: SocketHandlers): LiveSocket {
  let socket: WebSocket | undefined;
  let isUp = false; // The socket is acknowledged.
  let upSince = 0;
  let attempts = 0; // Connections since the last good one.
  let isBlocked = false; // After a final close code.
  let refused = false;
  let closed = false;
  let connectTimer: Timer;
  let pingTimer: Timer;
  let pongTimer: Timer;

  function send(message: object) {
    socket?.send(JSON.stringify(message));
  }

  function connect() {
    if (socket || closed || isBlocked) {
      return;
    }
    clearTimeout(connectTimer);
    const opening = new WebSocket(options.url.replace(/^http/, "ws"), "graphql-transport-ws");
    socket = opening;
    // A connection that is never opened has no time-out of its own.
    connectTimer = setTimeout(disconnect, PONG_TIMEOUT);
    opening.onopen = () => introduce(opening);
    opening.onmessage = ({ data }) => socket === opening && receive(JSON.parse(data));
    opening.onclose = ({ code }) => socket === opening && lose(code);
  }

  async function introduce(opening: WebSocket) {
    const wasRefused = refused;
    refused = false;
    try {
      const token = await options.token?.(wasRefused);
      if (socket === opening) {
        send({ type: "connection_init", payload: token && { authorization: `Bearer ${token}` } });
      }
    } catch (error) {
      if (isFinal(error)) {
        handlers.onDenied(error);
      } else {
        opening.close();
      }
    }
  }

  function receive(message: ServerMessage) {
    const { type } = message;
    // Whatever arrives shows that the connection works: over a slow one a pong waits for what was sent before it.
    pingLater();
    if (type === "connection_ack") {
      clearTimeout(connectTimer);
      isUp = true;
      upSince = Date.now();
      handlers.onUp();
    } else if (type === "ping") {
      send({ type: "pong" });
    } else if (type !== "pong") {
      handlers.onMessage(message);
    }
  }

  function disconnect() {
    if (socket) {
      const old = socket;
      lose(0);
      old.close();
    }
  }

  function lose(code: number) {
    [connectTimer, pingTimer, pongTimer].forEach(clearTimeout);
    socket = undefined;
    pongTimer = undefined;
    refused ||= code === 4403;
    if (isUp) {
      isUp = false;
      attempts = Date.now() - upSince > STABLE ? 0 : attempts;
      handlers.onDown();
    }
    if (FINAL_CODES.includes(code)) {
      isBlocked = true;
      handlers.onBlocked(new Error(`The live connection has ended with code ${code}.`));
    } else if (!closed) {
      connectTimer = setTimeout(connect, backoff(++attempts));
    }
  }

  function pingLater() {
    clearTimeout(pingTimer);
    clearTimeout(pongTimer);
    pongTimer = undefined;
    pingTimer = setTimeout(ping, handlers.watched() ? PING_WATCHED : PING_UNWATCHED);
  }

  function ping() {
    if (!pongTimer) {
      pongTimer = setTimeout(disconnect, PONG_TIMEOUT);
      send({ type: "ping" });
    }
  }

  return {
    isUp: () => isUp,
    send,
    connect,
    probe() {
      attempts = 0;
      if (isUp) {
        ping();
      }
    },
    disconnect,
    close() {
      closed = true;
      disconnect();
      clearTimeout(connectTimer);
    },
  };
}
