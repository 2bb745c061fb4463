/**
 * The queue of messages that are not with the server yet. It survives a reload, and each message arrives once: its
 * idempotency key is made when it is written. The messages are sent in order, by one tab at a time.
 */

import { backoff } from "../live/backoff";
import { ApiError, isFinal } from "../live/request";
import { randomKey } from "./connection";
import type { QueuedMessage, Store } from "./store";

export interface Outbox {
  add(text: string): void;
  flush(): Promise<void>;
  retry(key: string): void;
  discard(key: string): void;
  /** The error code of the last attempt, while there is anything to send. */
  problem(): string | undefined;
  close(): void;
}

/** The server knows a key for 24 hours. Whether an older message has arrived, only its writer can see. */
const MAX_AGE = 23 * 3600_000;

export function openOutbox(
  name: string,
  store: Store,
  deliver: (message: QueuedMessage) => Promise<void>,
  onChange: () => void,
): Outbox {
  let busy = false;
  let again = false; // A message came after the last look into the queue.
  let closed = false;
  let failures = 0;
  let problem: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function change(key: string, act: (message: QueuedMessage, outbox: QueuedMessage[]) => void) {
    store.update(({ outbox }) => {
      const message = outbox.find((candidate) => candidate.key === key);
      if (message) {
        act(message, outbox);
      }
    });
    onChange();
  }

  const remove = (key: string) => change(key, (message, outbox) => outbox.splice(outbox.indexOf(message), 1));
  const fail = (key: string, code: string) =>
    change(key, (message) => {
      message.failed = code;
    });

  async function deliverAll(): Promise<void> {
    for (;;) {
      const message = store.get().outbox.find((candidate) => !candidate.failed);
      if (!message || closed) {
        return;
      }
      if (Date.now() - message.at > MAX_AGE) {
        fail(message.key, "EXPIRED");
        continue;
      }
      try {
        await deliver(message);
        failures = 0;
        problem = undefined;
        remove(message.key);
      } catch (error) {
        if (!isFinal(error)) {
          throw error;
        }
        fail(message.key, (error as ApiError).code);
      }
    }
  }

  async function run(): Promise<void> {
    clearTimeout(timer);
    again = busy;
    if (busy || closed) {
      return;
    }
    busy = true;
    try {
      // Pages without TLS have no locks: the keys alone keep a message from arriving twice.
      await (navigator.locks ? navigator.locks.request(`${name}:outbox`, deliverAll) : deliverAll());
    } catch (error) {
      const known = error instanceof ApiError ? error : undefined;
      problem = known?.code ?? "OFFLINE";
      timer = setTimeout(run, backoff(++failures, known));
      onChange();
    } finally {
      busy = false;
      if (again) {
        run();
      }
    }
  }

  return {
    add(text) {
      store.update(({ outbox }) => outbox.push({ key: randomKey(), text, at: Date.now() }));
      store.persist();
      onChange();
      run();
    },
    flush() {
      failures = 0;
      return run();
    },
    retry(key) {
      change(key, (message) => {
        message.failed = undefined;
        // The writer has seen that it did not arrive.
        if (Date.now() - message.at > MAX_AGE) {
          Object.assign(message, { key: randomKey(), at: Date.now() });
        }
      });
      run();
    },
    discard: remove,
    problem: () => problem,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
