/** What a member writes, kept in the browser per escalation and per box until it is sent. */

import { useMemo, useSyncExternalStore } from "react";
import { createSavedStore, type Store } from "../store";

export interface Draft {
  text: string;
  /** Sent with the reply, so that a repeated call sends it once. */
  idempotencyKey: string;
  /** The newest human reply that the author had seen when the draft was begun. */
  seen: number;
}

export type Box = "reply" | "note";

const EMPTY: Draft = { text: "", idempotencyKey: "", seen: 0 };
const stores = new Map<string, Store<Draft>>();

/** Return a key for one reply. Works on pages without a secure context too. */
function newKey(): string {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
}

/** Return the draft after typing. The first character begins it; an edit after a failed call makes it another reply. */
export function edit(draft: Draft, text: string, lastHuman: number): Draft {
  if (!text) {
    return EMPTY;
  }
  const begun = draft.text !== "";
  return { text, idempotencyKey: newKey(), seen: begun ? draft.seen : lastHuman };
}

export function draftStore(box: Box, id: string): Store<Draft> {
  const key = `draft:${box}:${id}`;
  let store = stores.get(key);
  if (!store) {
    const saved = createSavedStore<Draft>(key, EMPTY);
    store = {
      ...saved,
      set(draft) {
        saved.set(draft);
        if (!draft.text) {
          try {
            localStorage.removeItem(`baton-dashboard:${key}`);
          } catch {
            // Storage is denied: there is nothing to remove.
          }
        }
      },
    };
    stores.set(key, store);
  }
  return store;
}

export function useDraft(box: Box, id: string, lastHuman: number) {
  const store = useMemo(() => draftStore(box, id), [box, id]);
  const draft = useSyncExternalStore(store.subscribe, store.get);
  return {
    draft,
    write: (text: string) => store.set(edit(store.get(), text, lastHuman)),
    acknowledge: () => store.set({ ...store.get(), seen: lastHuman }),
    clear: () => store.set(EMPTY),
  };
}
