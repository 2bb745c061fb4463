/**
 * What a member writes, kept in the browser until it is sent: replies per conversation, notes per escalation.
 *
 * A draft belongs to the member who wrote it. Others who use the same browser never see it.
 */

import { useMemo, useSyncExternalStore } from "react";
import { createSavedStore, type Store } from "../store";

export interface Draft {
  text: string;
  /** Sent with the reply, so that a repeated call sends it once. */
  idempotencyKey: string;
  /** The newest human reply that the author had seen when the draft was begun. */
  seen: number;
  /** The escalation or conversation of a call without an answer. Its repetition must be the same call. */
  sentTo?: string;
}

export type Box = "reply" | "note";

const EMPTY: Draft = { text: "", idempotencyKey: "", seen: 0 };
const PREFIX = "baton-dashboard:draft:";
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

/** Return the draft with a text added below what is written. */
export function append(draft: Draft, text: string, lastHuman: number): Draft {
  return edit(draft, draft.text ? `${draft.text.trimEnd()}\n\n${text}` : text, lastHuman);
}

/** Return the draft after its text was sent. What the author has added meanwhile is the next draft. */
export function afterSending(draft: Draft, sent: string, lastHuman: number): Draft {
  const text = draft.text.trimStart();
  return edit(EMPTY, (text.startsWith(sent) ? text.slice(sent.length) : text).trim(), lastHuman);
}

export function draftStore(memberId: string, box: Box, id: string): Store<Draft> {
  const key = `draft:${memberId}:${box}:${id}`;
  let store = stores.get(key);
  if (!store) {
    const saved = createSavedStore<Draft>(key, EMPTY);
    store = {
      ...saved,
      set(draft) {
        saved.set(draft);
        if (!draft.text) {
          removeSaved((name) => name === `baton-dashboard:${key}`);
        }
      },
    };
    stores.set(key, store);
  }
  return store;
}

function removeSaved(matches: (name: string) => boolean) {
  try {
    for (const name of Object.keys(localStorage)) {
      if (matches(name)) {
        localStorage.removeItem(name);
      }
    }
  } catch {
    // Storage is denied: there is nothing to remove.
  }
}

/** Delete the member's drafts from the browser, and from this page: it may stay open, or come back. */
export function forgetDrafts(memberId: string) {
  for (const [key, store] of stores) {
    if (key.startsWith(`draft:${memberId}:`)) {
      store.set(EMPTY);
    }
  }
  removeSaved((name) => name.startsWith(`${PREFIX}${memberId}:`));
}

/** Delete the drafts of earlier versions: their names do not say who wrote them. */
export function forgetUnownedDrafts() {
  removeSaved((name) => name.startsWith(`${PREFIX}reply:`) || name.startsWith(`${PREFIX}note:`));
}

export function useDraft(memberId: string, box: Box, id: string, lastHuman: number) {
  const store = useMemo(() => draftStore(memberId, box, id), [memberId, box, id]);
  const draft = useSyncExternalStore(store.subscribe, store.get);
  return {
    draft,
    write: (text: string) => store.set(edit(store.get(), text, lastHuman)),
    acknowledge: () => store.set({ ...store.get(), seen: lastHuman }),
    clear: (sent: string) => store.set(afterSending(store.get(), sent, lastHuman)),
    /** Remember what the draft is sent to, until the server has answered. */
    sendTo(id: string | undefined) {
      const { sentTo: _, ...rest } = store.get();
      store.set(id === undefined ? rest : { ...rest, sentTo: id });
    },
  };
}
