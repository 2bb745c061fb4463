/**
 * The record of the visitor's conversation, in the page's own storage, shared by the tabs.
 *
 * Nothing is stored before `update` is called for the first time, which the first message does. Each change reads the
 * record again, as another tab may have changed it. Where storage is denied, the record lives as long as the page.
 */

export interface QueuedMessage {
  /** The idempotency key. */
  key: string;
  text: string;
  /** Milliseconds since 1970. */
  at: number;
  /** The error code of a refusal. */
  failed?: string | undefined;
}

export interface Session {
  conversation?: string | undefined;
  token?: string | undefined;
  /** The `sub` of the identity that the conversation belongs to. */
  subject?: string | undefined;
  /** The idempotency key of openConversation. */
  key?: string | undefined;
  read: number;
  open: boolean;
  outbox: QueuedMessage[];
}

export interface Store {
  get(): Session;
  update(change: (session: Session) => void): void;
  /** Keep from now on what has only been remembered so far. */
  persist(): void;
  clear(): void;
  close(): void;
}

/** Return the key under which the loader looks for a conversation. */
export function storageKey(agent: string): string {
  return `baton:${agent}`;
}

export function openStore(agent: string, mode: string | undefined, onChange: () => void): Store {
  const name = storageKey(agent);
  const blank = (): Session => ({ read: 0, open: false, outbox: [] });
  let area: Storage | undefined;
  let memory = blank();
  let kept = false;
  try {
    area = mode === "none" ? undefined : window[mode === "session" ? "sessionStorage" : "localStorage"];
    kept = !!area?.getItem(name);
  } catch {
    area = undefined;
  }

  function get(): Session {
    if (area && kept) {
      try {
        memory = { ...blank(), ...JSON.parse(area.getItem(name) ?? "{}") };
      } catch {
        // Denied or spoilt: the record in memory goes on.
      }
    }
    return memory;
  }

  function put() {
    if (area && kept) {
      try {
        area.setItem(name, JSON.stringify(memory));
      } catch {
        // Full or denied.
        kept = false;
      }
    }
  }

  function onStorage(event: StorageEvent) {
    if (event.key === name || event.key === null) {
      // Another tab has written the record, or has shut the chat down.
      kept = event.newValue !== null;
      if (!kept) {
        memory = blank();
      }
      onChange();
    }
  }

  window.addEventListener("storage", onStorage);
  return {
    get,
    update(change) {
      change(get());
      put();
    },
    persist() {
      kept = true;
      put();
    },
    clear() {
      memory = blank();
      kept = false;
      try {
        area?.removeItem(name);
      } catch {
        // Denied.
      }
    },
    close: () => window.removeEventListener("storage", onStorage),
  };
}
