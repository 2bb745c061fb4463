/** The query cache: its keys, and how events patch the rows in it. */

import { type InfiniteData, QueryClient } from "@tanstack/react-query";
import type {
  ConversationDetailQuery,
  ConversationRowFragment,
  ConversationsQuery,
  EscalationDetailQuery,
  EscalationRowFragment,
  EscalationsQuery,
} from "../gql/operations";
import { isFinal, NetworkError } from "../live/request";
import { CallError } from "./api";

export const keys = {
  viewer: ["viewer"] as const,
  agents: ["agents"] as const,
  members: ["members"] as const,
  counts: ["counts"] as const,
  escalations: ["escalations"] as const,
  escalation: (id: string) => ["escalation", id] as const,
  /** Begins with the key of the escalation, so that it is read again with it. */
  timeline: (id: string) => ["escalation", id, "timeline"] as const,
  conversations: ["conversations"] as const,
  conversation: (id: string) => ["conversation", id] as const,
  messages: (id: string) => ["messages", id] as const,
  savedReplies: ["saved-replies"] as const,
  settings: (agentId: string) => ["settings", agentId] as const,
  deliveries: ["deliveries"] as const,
  analytics: ["analytics"] as const,
  apiKeys: ["api-keys"] as const,
  sessions: ["sessions"] as const,
};

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      // The live feed reads again when the page wakes up.
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      retry: (failures, error) =>
        error instanceof NetworkError
          ? failures < 3
          : error instanceof CallError && !isFinal(error.cause) && failures < 3,
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 5_000),
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

type Listener = (rows: ReadonlyMap<string, EscalationRowFragment>) => void;

const listeners = new Set<Listener>();
const waiting = new Map<string, EscalationRowFragment>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Call the listener with each batch of changed escalations. Returns the function that ends it. */
export function onEscalationRows(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Merge a row into an older one. A row that is older than what is there changes nothing. */
export function mergeEscalation<T extends EscalationRowFragment>(old: T, row: EscalationRowFragment): T {
  if (row.version < old.version) {
    return old;
  }
  return {
    ...old,
    ...row,
    resolution: row.resolution && { ...old.resolution, ...row.resolution },
    conversation: { ...old.conversation, ...row.conversation },
  };
}

/** Patch the escalation wherever it is cached. Rows of one moment are written together. */
export function patchEscalation(row: EscalationRowFragment) {
  const before = waiting.get(row.id);
  waiting.set(row.id, before ? mergeEscalation(before, row) : row);
  timer ??= setTimeout(flush, 100);
}

/** Patch the escalation now: the answer to the member's own action. */
export function patchEscalationNow(row: EscalationRowFragment) {
  patchEscalation(row);
  flush();
}

function flush() {
  clearTimeout(timer);
  timer = undefined;
  const rows = new Map(waiting);
  waiting.clear();
  queryClient.setQueriesData<InfiniteData<EscalationsQuery>>(
    { queryKey: keys.escalations },
    (data) => data && { ...data, pages: data.pages.map((page) => patchPage(page, rows)) },
  );
  for (const [id, row] of rows) {
    queryClient.setQueryData<EscalationDetailQuery>(keys.escalation(id), (data) =>
      data?.escalation ? { escalation: mergeEscalation(data.escalation, row) } : data,
    );
  }
  for (const listener of listeners) {
    listener(rows);
  }
}

function patchPage(
  page: EscalationsQuery,
  rows: ReadonlyMap<string, EscalationRowFragment>,
): EscalationsQuery {
  if (!page.escalations.nodes.some((node) => rows.has(node.id))) {
    return page;
  }
  const nodes = page.escalations.nodes.map((node) => {
    const row = rows.get(node.id);
    return row ? mergeEscalation(node, row) : node;
  });
  return { escalations: { ...page.escalations, nodes } };
}

/** Patch the conversation wherever it is cached. */
export function patchConversation(row: ConversationRowFragment) {
  queryClient.setQueriesData<InfiniteData<ConversationsQuery>>({ queryKey: keys.conversations }, (data) => {
    if (!data?.pages.some((page) => page.conversations.nodes.some((node) => node.id === row.id))) {
      return data;
    }
    const pages = data.pages.map((page) => ({
      conversations: {
        ...page.conversations,
        nodes: page.conversations.nodes.map((node) => (node.id === row.id ? { ...node, ...row } : node)),
      },
    }));
    return { ...data, pages };
  });
  queryClient.setQueryData<ConversationDetailQuery>(keys.conversation(row.id), (data) =>
    data?.conversation ? { conversation: { ...data.conversation, ...row } } : data,
  );
}
