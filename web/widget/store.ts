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
  update(changes: Partial<Session>): void;
  /** Keep from now on what has only been remembered so far. */
  persist(): void;
  /** Return true if the record is in the browser's storage. A browser that denies it denies locks, too. */
  isKept(): boolean;
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
  let memory = blank();
  let kept = false;

  /** Do something with the browser's storage. Where it is denied, full or spoilt, the record in memory goes on. */
  function attempt(act: (area: Storage) => void) {
    try {
      if (mode !== "none") {
        act(window[mode === "session" ? "sessionStorage" : "localStorage"]);
      }
    } catch {
      kept = false;
    }
  }

  function get(): Session {
    if (kept) {
      attempt((area) => {
        memory = { ...blank(), ...JSON.parse(area.getItem(name) ?? "{}") };
      });
    }
    return memory;
  }

  function put() {
    if (kept) {
      attempt((area) => area.setItem(name, JSON.stringify(memory)));
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

  attempt((area) => {
    kept = !!area.getItem(name);
  });
  window.addEventListener("storage", onStorage);
  return {
    get,
    update(changes) {
      Object.assign(get(), changes);
      put();
    },
    persist() {
      kept = mode !== "none";
      put();
    },
    isKept: () => kept,
    clear() {
      memory = blank();
      kept = false;
      attempt((area) => area.removeItem(name));
    },
    close: () => window.removeEventListener("storage", onStorage),
  };
}
