/** The conversation as the visitor sees it: messages, control, unread messages, typing, and the feed behind them. */

import { openFeed, type Feed, type FeedStatus, type LiveEvent } from "../live/feed";
import { ApiError, isTimeout } from "../live/request";
import type { Connection } from "./connection";
import {
  type ConversationState,
  MARK_READ,
  MESSAGES,
  type Message,
  READ,
  RECORD,
  type Role,
  TYPING,
  UPDATES,
} from "./documents";
import type { Status } from "./api";
import type { Front } from "./front";
import type { QueuedMessage, Store } from "./store";

interface Page extends ConversationState {
  cursor: string;
  messages: {
    nodes: Message[];
    pageInfo: {
      hasNextPage: boolean;
      endCursor: string | null;
      hasPreviousPage: boolean;
      startCursor: string | null;
    };
  };
}

interface UpdateEvent extends LiveEvent {
  kind: string;
  typing: Role | null;
  member: { name: string } | null;
  conversation: ConversationState;
}

export interface Chat {
  messages: readonly Message[];
  state?: ConversationState;
  status: Status;
  /** The history has been read. */
  loaded: boolean;
  hasEarlier: boolean;
  typing: { name: string | undefined } | undefined;
  /** The keys of queued messages by the ids that they got. */
  keys: ReadonlyMap<string, string>;
  /** Queued messages that have been seen in the log already, though the answer to them is still awaited. */
  isDelivered(message: QueuedMessage): boolean;
  unread(): number;
  /** Begin or go on following the conversation of the store. */
  follow(): void;
  showEarlier(): Promise<unknown>;
  deliver(message: QueuedMessage): Promise<void>;
  markRead(): void;
  type(text: string): void;
  wake(): void;
  close(): void;
}

export interface ChatEvents {
  isWatched(): boolean;
  onChange(): void;
  onNewMessage(message: Message): void;
  onStatus(): void;
  onError(error: unknown): void;
}

const LARGEST_PAGE = 50;
/** Messages that arrive in time over 400 kbit/s, however long they are. */
const SMALLEST_PAGE = 5;
const TYPING_SHOWN = 8_000;
const TYPING_SENT_EVERY = 3_000;

export function openChat(front: Front, store: Store, connection: Connection, events: ChatEvents): Chat {
  const byId = new Map<string, Message>();
  const keys = new Map<string, string>();
  let pageSize = LARGEST_PAGE;
  let wasLive = false;
  let start: string | null = null;
  let end: string | null = null;
  let typingTimer: ReturnType<typeof setTimeout> | undefined;
  let typedAt = 0;
  let feed: Feed | undefined;
  let markedRead = 0;

  function add(messages: readonly Message[], isHistory: boolean) {
    const fresh = messages.filter((message) => !byId.has(message.id));
    for (const message of messages) {
      byId.set(message.id, message);
    }
    if (fresh.length) {
      chat.messages = [...byId.values()].sort((a, b) => a.position - b.position);
    }
    for (const message of fresh) {
      if (message.role === "USER") {
        pair(message);
      } else if (!isHistory) {
        clearTyping();
        events.onNewMessage(message);
      }
    }
    events.onChange();
  }

  /** Match a message of the visitor's with the queued one, so that it is not shown twice until the answer is there. */
  function pair(message: Message) {
    const used = new Set(keys.values());
    const queued = store.get().outbox.find(({ key, text }) => !used.has(key) && text === message.content);
    if (queued) {
      keys.set(message.id, queued.key);
    }
  }

  /** Read messages and the state. After a page that took too long, all are smaller. */
  async function readPage(range: Record<string, unknown>): Promise<Page> {
    const before = chat.state;
    try {
      const { conversation } = await connection.call<{ conversation: Page | null }>(READ, range);
      if (!conversation) {
        throw new ApiError("NOT_FOUND", "The conversation has ended.");
      }
      // An update that came meanwhile is newer.
      if (chat.state === before) {
        chat.state = conversation;
      }
      return conversation;
    } catch (error) {
      if (isTimeout(error)) {
        pageSize = Math.max(SMALLEST_PAGE, pageSize >> 2);
      }
      throw error;
    }
  }

  async function readEarlier(): Promise<Page> {
    const page = await readPage({ last: pageSize, before: start });
    start = page.messages.pageInfo.startCursor;
    chat.hasEarlier = page.messages.pageInfo.hasPreviousPage;
    add(page.messages.nodes, true);
    return page;
  }

  async function read(): Promise<string> {
    for (;;) {
      const page = await (chat.loaded ? readPage({ first: pageSize, after: end }) : readEarlier());
      const { nodes, pageInfo } = page.messages;
      end = pageInfo.endCursor ?? end;
      add(nodes, false);
      chat.loaded = true;
      if (!pageInfo.hasNextPage) {
        return page.cursor;
      }
    }
  }

  function onFeedStatus(next: FeedStatus) {
    wasLive ||= next === "live";
    chat.status = next === "live" || next === "offline" ? next : wasLive ? "reconnecting" : "connecting";
    events.onStatus();
  }

  function onUpdate(event: UpdateEvent) {
    chat.state = event.conversation;
    if (event.typing && event.typing !== "USER") {
      clearTyping();
      if (event.kind === "typing_started") {
        chat.typing = { name: event.member?.name };
        typingTimer = setTimeout(() => {
          clearTyping();
          events.onChange();
        }, TYPING_SHOWN);
      }
    }
    events.onChange();
  }

  function clearTyping() {
    clearTimeout(typingTimer);
    chat.typing = undefined;
  }

  const furthestRead = () => Math.max(store.get().read, chat.state?.readPositions.customer ?? 0);

  function sendTyping(isTyping: boolean) {
    typedAt = isTyping ? Date.now() : 0;
    // A signal that is lost is of no use later. The server ends one that is not repeated.
    connection.call(TYPING, { typing: isTyping }).catch(() => {});
  }

  const chat: Chat = {
    messages: [],
    status: "connecting",
    loaded: false,
    hasEarlier: false,
    typing: undefined,
    keys,
    isDelivered: ({ key }) => [...keys.values()].includes(key),
    unread() {
      const position = furthestRead();
      return chat.messages.filter((message) => message.role !== "USER" && message.position > position).length;
    },
    follow() {
      feed ??= openFeed({
        url: `${front.base}graphql`,
        variables: { id: store.get().conversation },
        subscriptions: [
          {
            query: MESSAGES,
            onEvent: (event) => add([(event as LiveEvent & { message: Message }).message], false),
          },
          { query: UPDATES, onEvent: (event) => onUpdate(event as UpdateEvent) },
        ],
        token: connection.token,
        read,
        onStatus: onFeedStatus,
        onError: events.onError,
        watched: events.isWatched,
      });
    },
    showEarlier: readEarlier,
    async deliver({ key, text }) {
      const { recordMessage } = await connection.call<{ recordMessage: { message: Message } }>(RECORD, {
        text,
        key,
      });
      keys.set(recordMessage.message.id, key);
      add([recordMessage.message], true);
    },
    markRead() {
      const position = chat.messages.at(-1)?.position ?? 0;
      if (position > furthestRead()) {
        store.update({ read: position });
      }
      if (position > Math.max(markedRead, chat.state?.readPositions.customer ?? 0)) {
        markedRead = position;
        connection.call(MARK_READ, { position }).catch(() => {
          markedRead = 0;
        });
      }
    },
    type(text) {
      if (feed && text && Date.now() - typedAt > TYPING_SENT_EVERY) {
        sendTyping(true);
      } else if (!text && typedAt) {
        sendTyping(false);
      }
    },
    wake: () => feed?.wake(),
    close() {
      feed?.close();
      clearTyping();
    },
  };
  return chat;
}
