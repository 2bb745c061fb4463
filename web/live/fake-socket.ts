/** A WebSocket of tests, whose other end the test plays. */

import { vi } from "vitest";

type Message = { type: string; id?: string; payload?: { variables: Record<string, unknown> } };

/** The sockets that the feed has opened, and what came through each. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last() {
    return FakeSocket.all.at(-1) as FakeSocket;
  }

  sent: Message[] = [];
  closed = false;
  isDead = false;
  onopen?: () => Promise<void>;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number }) => void;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }

  send(data: string) {
    const message = JSON.parse(data);
    this.sent.push(message);
    if (message.type === "ping" && !this.isDead) {
      this.receive({ type: "pong" });
    }
  }

  close() {
    this.closed = true;
  }

  async accept() {
    await this.onopen?.();
    this.receive({ type: "connection_ack" });
    await settle();
  }

  receive(message: object) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  next(id: string, cursor: string) {
    this.receive({ type: "next", id, payload: { data: { messageAdded: { cursor } } } });
  }

  fail(id: string, code: string) {
    this.receive({ type: "error", id, payload: [{ message: code, extensions: { code } }] });
  }

  drop(code = 1006) {
    this.onclose?.({ code });
  }

  subscriptions() {
    return this.sent.filter(({ type }) => type === "subscribe");
  }
}

/** Let everything run that is due now. */
export const settle = () => vi.advanceTimersByTimeAsync(0);
