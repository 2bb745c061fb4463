/** The live connection of the dashboard, and what its events do. */

import {
  type ConversationRowFragment,
  ConversationsEventsDocument,
  type EscalationRowFragment,
  EscalationEventsDocument,
  HeadDocument,
  SlaEventsDocument,
} from "../gql/operations";
import { type FeedStatus, type LiveEvent, openFeed } from "../live/feed";
import { CallError, execute } from "./api";
import { graphqlUrl } from "./base";
import { keys, patchConversation, patchEscalation, queryClient } from "./cache";
import { checkVersion } from "./new-version";
import { noticeEscalation, noticeSla } from "./notices";
import { useEffect } from "react";
import { createQuietCall } from "./quiet";
import { reportSignedOut, signedOut } from "./session/state";
import { createStore, useStore } from "./store";

export interface LiveState {
  status: FeedStatus;
  /** The browser's time at which everything was last up to date, 0 before that. */
  liveAt: number;
}

export const liveState = createStore<LiveState>({ status: "connecting", liveAt: 0 });

const ORDER: readonly FeedStatus[] = ["offline", "connecting", "catching up", "live"];
const statuses = new Map<string, FeedStatus>();

/** Report the status of one feed. The page is only as live as the worst of its feeds. */
function report(name: string, status: FeedStatus | undefined) {
  if (status) {
    statuses.set(name, status);
  } else {
    statuses.delete(name);
  }
  const worst = ORDER.find((candidate) => [...statuses.values()].includes(candidate)) ?? "connecting";
  const before = liveState.get();
  if (worst === "live" && before.status !== "live" && before.liveAt) {
    // A service that was away may have come back with another build.
    checkVersion();
  }
  if (worst !== before.status || worst === "live") {
    liveState.set({
      status: worst,
      liveAt: worst === "live" || before.status === "live" ? Date.now() : before.liveAt,
    });
  }
}

/** Call the function each time the page becomes live. Returns the function that ends it. */
export function onLive(run: () => void): () => void {
  let before = liveState.get().status;
  return liveState.subscribe(() => {
    const { status } = liveState.get();
    const turned = status === "live" && before !== "live";
    before = status;
    if (turned) {
      run();
    }
  });
}

// What is on the screen and failed to load meanwhile.
onLive(() => {
  queryClient.refetchQueries({ type: "active", predicate: ({ state }) => state.status === "error" });
});

export interface LiveOptions {
  name: string;
  variables?: Record<string, unknown>;
  subscriptions: readonly { document: { toString(): string }; onEvent(event: LiveEvent): void }[];
  read(): Promise<string>;
}

/** Open a feed that counts for the page's connection line. Returns the function that closes it. */
export function openLive({ name, variables = {}, subscriptions, read }: LiveOptions): () => void {
  const feed = openFeed({
    url: graphqlUrl,
    variables,
    subscriptions: subscriptions.map(({ document, onEvent }) => ({ query: document.toString(), onEvent })),
    // The feed decides by the live client's own errors whether repeating helps.
    read: () => read().catch((error) => Promise.reject(error instanceof CallError ? error.cause : error)),
    onStatus: (status) => report(name, status),
    onError(error) {
      if ((error as { code?: string }).code === "UNAUTHENTICATED") {
        reportSignedOut();
      }
      report(name, "offline");
    },
  });
  return () => {
    feed.close();
    report(name, undefined);
  };
}

/** Keep a feed open while the component is mounted and the session lasts. */
export function useFeed(open: () => () => void, key: string) {
  const ended = useStore(signedOut);
  // `open` is a new function at each render. The key says what it opens.
  // oxlint-disable-next-line react-hooks/exhaustive-deps
  useEffect(() => (ended ? undefined : open()), [ended, key]);
}

/** Read the lists of escalations again soon: the server decides their order and membership. */
export const refreshEscalations = createQuietCall(() => {
  queryClient.invalidateQueries({ queryKey: keys.escalations });
  queryClient.invalidateQueries({ queryKey: keys.counts });
});

const refreshConversations = createQuietCall(() => {
  queryClient.invalidateQueries({ queryKey: keys.conversations });
});

interface EscalationLiveEvent extends LiveEvent {
  kind: string;
  escalation: EscalationRowFragment;
}

/** Open the workspace's feed. Returns the function that closes it. */
export function openWorkspaceFeed(): () => void {
  return openLive({
    name: "workspace",
    subscriptions: [
      {
        document: EscalationEventsDocument,
        onEvent(event) {
          const { kind, escalation } = event as EscalationLiveEvent;
          patchEscalation(escalation);
          queryClient.invalidateQueries({ queryKey: keys.escalation(escalation.id), refetchType: "active" });
          refreshEscalations.request();
          noticeEscalation(kind, escalation);
        },
      },
      {
        document: SlaEventsDocument,
        onEvent(event) {
          const { escalation } = event as EscalationLiveEvent;
          patchEscalation(escalation);
          refreshEscalations.request();
          noticeSla(escalation);
        },
      },
      {
        document: ConversationsEventsDocument,
        onEvent(event) {
          const { kind, conversation } = event as LiveEvent & {
            kind: string;
            conversation: ConversationRowFragment;
          };
          patchConversation(conversation);
          refreshConversations.request();
          // The number of unread messages belongs to the escalation's row.
          if (conversation.activeEscalation && (kind === "message_added" || kind === "read")) {
            refreshEscalations.request();
          }
        },
      },
    ],
    async read() {
      const { viewer } = await execute(HeadDocument, {});
      await queryClient.refetchQueries(
        { type: "active", predicate: ({ queryKey }) => LIVE.has(queryKey[0]) },
        { throwOnError: true },
      );
      return viewer.cursor ?? "";
    },
  });
}

/** Queries that the workspace's events keep up to date. */
const LIVE = new Set<unknown>(["escalations", "counts", "conversations", "escalation"]);
