/** The visitor's conversation: which one is followed and for whom, and what waits to be sent in it. */

import { repeat } from "../live/backoff";
import { codeOf, isFinal } from "../live/request";
import { type Chat, openChat } from "./chat";
import { type Connection, openConnection } from "./connection";
import type { Front } from "./front";
import { openOutbox, type Outbox } from "./outbox";
import { openStore, type Store, storageKey } from "./store";

export interface SessionOptions {
  isOpen(): boolean;
  onChange(): void;
  /** Another conversation is shown, or none. */
  onReplaced(): void;
  /** The conversation of the page before is followed, on which the panel was open. */
  onRestored(): void;
}

export interface Session {
  store: Store;
  connection: Connection;
  outbox: Outbox;
  chat: Chat;
  /** The id of the conversation that is followed. */
  followed: string | undefined;
  /** Why the service refuses this page, once it does. */
  refused: string | undefined;
  closed: boolean;
  /** The panel is open, and the page is in sight. */
  isSeen(): boolean;
  /** Open the conversation, if there is none, and follow it. */
  begin(): Promise<void>;
  /** Follow the conversation of the store, if this page may. */
  follow(): void;
  /** Show the conversation of a visitor that the page has named, who may have begun it elsewhere. */
  identify(): Promise<void>;
  /** Repeat until it succeeds or cannot succeed. */
  insist<T>(act: () => Promise<T>): Promise<T>;
  report(error: unknown): void;
  /** Follow the conversation no more. It stays in the browser's storage. */
  close(): void;
}

export function openSession(
  front: Front,
  { isOpen, onChange, onReplaced, onRestored }: SessionOptions,
): Session {
  const { options } = front;
  const name = storageKey(options.agent);
  let identified = false;

  const store = openStore(options.agent, options.storage, onStore);
  let isRestored = !store.get().open; // The panel is open or closed as it was on the page before.
  const connection = openConnection(front, store, reset);
  const outbox = openOutbox(
    name,
    store,
    async (message) => {
      await begin();
      await session.chat.deliver(message);
    },
    report,
    onChange,
  );

  const isSeen = () => isOpen() && document.visibilityState === "visible";

  function newChat(): Chat {
    return openChat(front, store, connection, {
      isWatched: isOpen,
      onChange,
      onStatus() {
        if (session.chat.status === "live") {
          outbox.flush();
        }
        onChange();
      },
      onNewMessage({ id, role, content, author }) {
        front.emit("message", { id, role, content, author: author?.name ?? null });
        if (options.sound !== false && !(isSeen() && document.hasFocus())) {
          import("./sound").then(({ playOnce }) => playOnce(name, id)).catch(() => {});
        }
      },
      onError: report,
    });
  }

  /** A conversation that belongs to an identity is only for a page that has named its visitor. */
  function isUsable() {
    const { conversation, subject } = store.get();
    return !!conversation && (!subject || identified);
  }

  function follow() {
    if (session.followed && store.get().conversation !== session.followed) {
      // Another tab, or the page itself, has changed the record.
      forget();
    }
    if (isUsable() && !session.closed) {
      session.followed = store.get().conversation;
      session.chat.follow();
      if (!isRestored && store.get().open) {
        onRestored();
      }
      isRestored = true;
    }
  }

  async function begin() {
    if (!isUsable() && store.get().conversation) {
      if (front.identity) {
        await identify();
      } else {
        reset(false);
      }
    }
    await connection.ensure();
    if (!session.closed) {
      // After shutdown() nothing of the visitor is stored again.
      store.persist();
    }
    follow();
  }

  function reset(keepUnsent: boolean) {
    const outbox = keepUnsent ? store.get().outbox : [];
    store.clear();
    store.update({ outbox, open: isOpen() });
    if (outbox.length) {
      store.persist();
    }
    forget();
  }

  function forget() {
    session.followed = undefined;
    session.chat.close();
    session.chat = newChat();
    onReplaced();
  }

  function onStore() {
    follow();
    onChange();
  }

  function insist<T>(act: () => Promise<T>): Promise<T> {
    return repeat(act, (error) => session.closed || isFinal(error)).catch((error) => {
      report(error);
      throw error;
    });
  }

  function report(error: unknown) {
    const code = codeOf(error) ?? "INTERNAL";
    const { message } = error as Error;
    front.emit("error", { code, message });
    console.warn(`Baton: ${message}`);
    if (code === "FORBIDDEN") {
      session.refused = message;
      onChange();
    }
  }

  async function identify() {
    if (!front.identity && !store.get().subject) {
      return;
    }
    identified = false;
    await insist(async () => {
      await connection.identify();
      identified = !!front.identity;
      if (isOpen() && front.identity) {
        await connection.ensure();
      }
    });
    follow();
  }

  const session: Session = {
    store,
    connection,
    outbox,
    chat: newChat(),
    followed: undefined,
    refused: undefined,
    closed: false,
    isSeen,
    begin,
    follow,
    identify,
    insist,
    report,
    close() {
      session.closed = true;
      outbox.close();
      session.chat.close();
      store.close();
    },
  };
  return session;
}
