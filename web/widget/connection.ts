/** The credentials of the conversation: opening it, renewing its token, and proving who the visitor is. */

import { ApiError, codeOf, isFinal, NetworkError, request } from "../live/request";
import { IDENTIFY, OPEN, RENEW, type Started, VIEWER } from "./documents";
import type { Front } from "./front";
import type { Store } from "./store";

export interface Connection {
  /** Send a request about the conversation; its id is the variable `id`. Renews the token if it is refused. */
  call<T>(query: string, variables: Record<string, unknown>): Promise<T>;
  /** Return the token; `refused` is true if the server has refused the last one. */
  token(refused: boolean): Promise<string>;
  /** Open the conversation if there is none. */
  ensure(): Promise<void>;
  /** Compare the identity with the conversation's, and attach it or let the conversation go. */
  identify(): Promise<void>;
  /** Continue a conversation that the integrator's back end has started. */
  start(token: string): Promise<void>;
}

/** Return a random key. `crypto.randomUUID` is missing on pages without TLS. */
export function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** Return the `sub` of a token, to compare it with another. The server verifies it. */
function subjectOf(identity: string): string | undefined {
  try {
    const payload = (identity.split(".")[1] as string).replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(payload)).sub;
  } catch {
    return undefined;
  }
}

/** Return a function whose calls share what runs already. */
function share(act: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () =>
    (running ??= act().finally(() => {
      running = undefined;
    }));
}

export function openConnection(
  front: Front,
  store: Store,
  onReset: (keepUnsent: boolean) => void,
): Connection {
  const url = `${front.base}graphql`;
  const openOnce = share(open);
  const renewOnce = share(renew);

  async function identity(): Promise<string | undefined> {
    const given = front.identity;
    try {
      return typeof given === "function" ? await given() : given;
    } catch (error) {
      throw new NetworkError(`identify: ${error}`);
    }
  }

  async function open(): Promise<void> {
    const proof = await identity();
    const { agent, lang, customer, metadata } = front.options;
    // The same identity gets the same conversation, so only visitors without one need a key.
    if (!proof && !store.get().key) {
      store.update({ key: randomKey() });
    }
    const idempotencyKey = proof ? undefined : store.get().key;
    const input = { agentId: agent, identity: proof, customer, metadata, language: lang, idempotencyKey };
    try {
      const { openConversation } = await request<{ openConversation: Started }>(url, OPEN, { input });
      adopt(openConversation.conversation.id, openConversation.widgetToken, proof && subjectOf(proof));
    } catch (error) {
      if (codeOf(error) !== "IDEMPOTENCY_MISMATCH") {
        throw error;
      }
      // The page says something else about the visitor since the first attempt.
      store.update({ key: undefined });
      return open();
    }
  }

  function adopt(conversation: string, token: string, subject: string | undefined) {
    const before = store.get().conversation;
    if (before && before !== conversation) {
      onReset(true);
    }
    store.update({ conversation, token, subject, key: undefined });
  }

  async function renew(): Promise<void> {
    const { conversation, token, subject } = store.get();
    try {
      const data = await request<{ refreshWidgetToken: string }>(url, RENEW, { id: conversation }, { token });
      store.update({ token: data.refreshWidgetToken });
    } catch (error) {
      if (!isFinal(error)) {
        throw error;
      }
      if (!subject || !front.identity) {
        // Nothing opens this conversation any more. The next attempt of what is still unsent opens a new one.
        onReset(true);
        throw new NetworkError("The conversation has ended.");
      }
      await open();
    }
  }

  const connection: Connection = {
    async call<T>(query: string, variables: Record<string, unknown>) {
      const send = () => request<T>(url, query, { id: store.get().conversation, ...variables }, store.get());
      try {
        return await send();
      } catch (error) {
        if (codeOf(error) !== "UNAUTHENTICATED") {
          throw error;
        }
        await connection.token(true);
        return send();
      }
    },
    async token(refused) {
      if (refused) {
        await renewOnce();
      }
      return store.get().token ?? "";
    },
    async ensure() {
      if (!store.get().conversation) {
        await openOnce();
      }
    },
    async identify() {
      const { conversation, subject } = store.get();
      const proof = await identity();
      const named = proof && subjectOf(proof);
      if (!conversation || named === subject) {
        return;
      }
      if (subject || !proof) {
        return onReset(false);
      }
      try {
        await connection.call(IDENTIFY, { identity: proof });
        store.update({ subject: named });
      } catch (error) {
        if (codeOf(error) !== "CONFLICT") {
          throw error;
        }
        onReset(false);
      }
    },
    async start(token) {
      const data = await request<{ viewer: { conversation: { id: string } | null } }>(
        url,
        VIEWER,
        {},
        { token },
      );
      if (!data.viewer.conversation) {
        throw new ApiError("BAD_USER_INPUT", "start: this is not a widget token");
      }
      adopt(data.viewer.conversation.id, token, undefined);
    },
  };
  return connection;
}
