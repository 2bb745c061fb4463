/** The credentials of the conversation: opening it, renewing its token, and proving who the visitor is. */

import { ApiError, isFinal, NetworkError, request } from "../live/request";
import { IDENTIFY, OPEN, RENEW, type Started, VIEWER } from "./documents";
import type { Front } from "./front";
import type { Store } from "./store";

export interface Connection {
  /** Send a request about the conversation; its id is the variable `id`. Renews the token if it is refused. */
  call<T>(query: string, variables?: Record<string, unknown>): Promise<T>;
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

export function openConnection(
  front: Front,
  store: Store,
  onReset: (keepUnsent: boolean) => void,
): Connection {
  const url = `${front.base}graphql`;
  let opening: Promise<void> | undefined;
  let renewing: Promise<void> | undefined;

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
      store.update((session) => {
        session.key = randomKey();
      });
    }
    const idempotencyKey = proof ? undefined : store.get().key;
    const input = { agentId: agent, identity: proof, customer, metadata, language: lang, idempotencyKey };
    try {
      const { openConversation } = await request<{ openConversation: Started }>(url, OPEN, { input });
      adopt(openConversation.conversation.id, openConversation.widgetToken, proof && subjectOf(proof));
    } catch (error) {
      if (error instanceof ApiError && error.code === "IDEMPOTENCY_MISMATCH") {
        // The page says something else about the visitor since the first attempt.
        store.update((session) => {
          session.key = undefined;
        });
        return open();
      }
      throw error;
    }
  }

  function adopt(conversation: string, token: string, subject: string | undefined) {
    const before = store.get().conversation;
    if (before && before !== conversation) {
      onReset(true);
    }
    store.update((session) => Object.assign(session, { conversation, token, subject, key: undefined }));
  }

  async function renew(refused: string | undefined): Promise<void> {
    const { conversation, token, subject } = store.get();
    if (token !== refused) {
      return; // Another tab was first.
    }
    try {
      const data = await request<{ refreshWidgetToken: string }>(url, RENEW, { id: conversation }, { token });
      store.update((session) => {
        session.token = data.refreshWidgetToken;
      });
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
    async call(query, variables = {}) {
      const { conversation, token } = store.get();
      try {
        return await request(url, query, { id: conversation, ...variables }, { token });
      } catch (error) {
        if (!(error instanceof ApiError && error.code === "UNAUTHENTICATED")) {
          throw error;
        }
        const fresh = await connection.token(true);
        return request(url, query, { id: store.get().conversation, ...variables }, { token: fresh });
      }
    },
    async token(refused) {
      if (refused) {
        const { token } = store.get();
        renewing ??= renew(token).finally(() => {
          renewing = undefined;
        });
        await renewing;
      }
      return store.get().token ?? "";
    },
    async ensure() {
      if (!store.get().conversation) {
        opening ??= open().finally(() => {
          opening = undefined;
        });
        await opening;
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
        store.update((session) => {
          session.subject = named;
        });
      } catch (error) {
        if (!(error instanceof ApiError && error.code === "CONFLICT")) {
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
