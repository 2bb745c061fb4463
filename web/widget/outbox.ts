/**
 * The queue of messages that are not with the server yet. It survives a reload, and each message arrives once: its
 * idempotency key is made when it is written. The messages are sent in order, by one tab at a time.
 */

import { backoff } from "../live/backoff";
import { codeOf, isFinal } from "../live/request";
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

const isOld = ({ at }: QueuedMessage) => Date.now() - at > MAX_AGE;
const newMessage = (text: string): QueuedMessage => ({ key: randomKey(), text, at: Date.now() });

export function openOutbox(
  name: string,
  store: Store,
  deliver: (message: QueuedMessage) => Promise<void>,
  onFailure: (error: unknown) => void,
  onChange: () => void,
): Outbox {
  let busy = false;
  let again = false; // A message came after the last look into the queue.
  let closed = false;
  let failures = 0;
  let problem: string | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Put what `change` returns in the place of a message. */
  function replace(key: string, change: (message: QueuedMessage) => QueuedMessage[]) {
    const { outbox } = store.get();
    store.update({ outbox: outbox.flatMap((message) => (message.key === key ? change(message) : message)) });
    onChange();
  }

  const remove = (key: string) => replace(key, () => []);
  const fail = (key: string, failed: string) => replace(key, (message) => [{ ...message, failed }]);

  async function deliverAll(): Promise<void> {
    for (;;) {
      const message = store.get().outbox.find((candidate) => !candidate.failed);
      if (!message || closed) {
        return;
      }
      if (isOld(message)) {
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
        onFailure(error);
        fail(message.key, codeOf(error) as string);
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
      // A queue of this tab alone needs no lock. Pages without TLS have none: the keys keep a message from arriving twice.
      const locks = store.isKept() ? navigator.locks : undefined;
      await (locks ? locks.request(`${name}:outbox`, deliverAll) : deliverAll());
    } catch (error) {
      problem = codeOf(error) ?? "OFFLINE";
      timer = setTimeout(run, backoff(++failures, error));
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
      store.update({ outbox: [...store.get().outbox, newMessage(text)] });
      store.persist();
      onChange();
      run();
    },
    flush() {
      failures = 0;
      return run();
    },
    retry(key) {
      // The writer of an old message has seen that it did not arrive.
      replace(key, (message) => [
        isOld(message) ? newMessage(message.text) : { ...message, failed: undefined },
      ]);
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
