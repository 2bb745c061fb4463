/** One conversation, kept live: its messages, who has it open, and who is writing. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";
import {
  ConversationDetailDocument,
  ConversationEventsDocument,
  ConversationMessagesDocument,
  type ConversationRowFragment,
  MarkReadDocument,
  type MemberNameFragment,
  MessageEventsDocument,
  type MessagePartsFragment,
  SetViewingDocument,
} from "../../gql/operations";
import type { LiveEvent } from "../../live/feed";
import { execute } from "../api";
import { keys, patchConversation, queryClient } from "../cache";
import { openLive, useFeed } from "../live";
import { createQuietCall } from "../quiet";
import { signedOut } from "../session/state";
import { useViewer } from "../session/viewer";
import { useStore } from "../store";
import { mergeNewest, mergeOlder, mergeOne, type Stretch } from "./messages";

const PAGE = 50;
const VIEWING_EVERY = 20_000;
/** A writer counts for this long after the last sign of writing. */
const TYPING_MS = 8_000;

async function readPage(id: string, before?: string): Promise<Stretch & { cursor: string }> {
  const { conversation } = await execute(ConversationMessagesDocument, {
    id,
    last: PAGE,
    ...(before && { before }),
  });
  if (!conversation) {
    throw new Error("This conversation does not exist.");
  }
  const { nodes, pageInfo } = conversation.messages;
  return {
    messages: nodes,
    hasOlder: pageInfo.hasPreviousPage,
    before: pageInfo.startCursor ?? null,
    cursor: conversation.cursor,
  };
}

/** Read the newest messages into the cache and return the conversation's cursor. */
export async function readNewest(id: string): Promise<string> {
  const { cursor, ...page } = await readPage(id);
  queryClient.setQueryData<Stretch>(keys.messages(id), (old) => mergeNewest(old, page));
  return cursor;
}

export function addMessage(message: MessagePartsFragment) {
  const key = keys.messages(message.conversationId);
  const next = mergeOne(queryClient.getQueryData<Stretch>(key), message);
  if (next) {
    queryClient.setQueryData(key, next);
  } else {
    readNewest(message.conversationId).catch(() => {});
  }
}

export async function readOlder(id: string) {
  const old = queryClient.getQueryData<Stretch>(keys.messages(id));
  if (old?.hasOlder && old.before) {
    const page = await readPage(id, old.before);
    queryClient.setQueryData<Stretch>(keys.messages(id), (current) => current && mergeOlder(current, page));
  }
}

export function useConversation(id: string) {
  return useQuery({
    queryKey: keys.conversation(id),
    queryFn: () => execute(ConversationDetailDocument, { id }),
  });
}

export function useMessages(id: string) {
  return useQuery({
    queryKey: keys.messages(id),
    async queryFn() {
      const { cursor: _, ...page } = await readPage(id);
      return mergeNewest(queryClient.getQueryData<Stretch>(keys.messages(id)), page);
    },
  });
}

export interface Presence {
  viewers: readonly MemberNameFragment[];
  typing: readonly MemberNameFragment[];
  customerTyping: boolean;
}

interface PresenceEvent extends LiveEvent {
  kind: string;
  typing: string | null;
  member: MemberNameFragment | null;
  conversation: ConversationRowFragment;
}

/** Follow the conversation while the component is mounted. Returns the others who are here. */
export function useLiveConversation(id: string, refreshEscalation: () => void): Presence {
  const me = useViewer().member?.id;
  const [viewing, setViewing] = useState<ReadonlyMap<string, MemberNameFragment>>(new Map());
  const [typing, setTyping] = useState<
    ReadonlyMap<string, { until: number; member: MemberNameFragment | null }>
  >(new Map());

  useFeed(() => {
    const reread = createQuietCall(() => {
      readNewest(id).catch(() => {});
      queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
      refreshEscalation();
    });
    const close = openLive({
      name: id,
      variables: { conversationId: id },
      subscriptions: [
        {
          document: MessageEventsDocument,
          onEvent(event) {
            const { message } = event as LiveEvent & { message: MessagePartsFragment };
            addMessage(message);
            setTyping((old) => without(old, message.author?.id ?? message.role));
          },
        },
        {
          document: ConversationEventsDocument,
          onEvent(event) {
            const { kind, member, typing: role, conversation } = event as PresenceEvent;
            const key = member?.id ?? role ?? "";
            if (kind === "typing_started") {
              setTyping((old) => new Map(old).set(key, { until: Date.now() + TYPING_MS, member }));
            } else if (kind === "typing_stopped") {
              setTyping((old) => without(old, key));
            } else if (kind === "viewing_started" && member) {
              setViewing((old) => new Map(old).set(member.id, member));
            } else if (kind === "viewing_stopped" && member) {
              setViewing((old) => without(old, member.id));
            } else {
              patchConversation(conversation);
              reread.request();
            }
          },
        },
      ],
      async read() {
        const cursor = await readNewest(id);
        const { conversation } = await queryClient.fetchQuery({
          queryKey: keys.conversation(id),
          queryFn: () => execute(ConversationDetailDocument, { id }),
          staleTime: 0,
        });
        setViewing(new Map((conversation?.viewers ?? []).map((member) => [member.id, member])));
        return cursor;
      },
    });
    return () => {
      reread.cancel();
      close();
    };
  }, id);

  useEffect(() => {
    if (!typing.size) {
      return;
    }
    const timer = setInterval(() => {
      setTyping((old) => new Map([...old].filter(([, { until }]) => until > Date.now())));
    }, 1_000);
    return () => clearInterval(timer);
  }, [typing.size]);

  const ended = useStore(signedOut);
  useEffect(() => {
    if (ended) {
      return;
    }
    const say = (here: boolean) => {
      if (!signedOut.get()) {
        execute(SetViewingDocument, { id, viewing: here }, { keepalive: true }).catch(() => {});
      }
    };
    const renew = () => document.visibilityState === "visible" && say(true);
    const onVisibility = () => say(document.visibilityState === "visible");
    renew();
    const timer = setInterval(renew, VIEWING_EVERY);
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", onVisibility);
      say(false);
    };
  }, [id, ended]);

  return useMemo(
    () => ({
      viewers: [...viewing.values()].filter((member) => member.id !== me),
      typing: [...typing.values()].flatMap(({ member }) => (member && member.id !== me ? [member] : [])),
      customerTyping: typing.has("USER"),
    }),
    [viewing, typing, me],
  );
}

function without<K, V>(old: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!old.has(key)) {
    return old;
  }
  const next = new Map(old);
  next.delete(key);
  return next;
}

/** Record that the team has read up to this position. */
export async function markRead(id: string, position: number) {
  try {
    const { markRead: row } = await execute(MarkReadDocument, { id, position });
    if (row) {
      patchConversation(row);
    }
  } catch {
    // The next look at the conversation repeats it.
  }
}
