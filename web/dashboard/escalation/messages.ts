/** The loaded part of a conversation: one unbroken stretch of messages that ends at the newest. */

import type { MessagePartsFragment } from "../../gql/operations";

export interface Stretch {
  /** Ascending by position. */
  messages: readonly MessagePartsFragment[];
  hasOlder: boolean;
  /** The cursor to load older messages with. */
  before: string | null;
}

function union(
  old: readonly MessagePartsFragment[],
  added: readonly MessagePartsFragment[],
): MessagePartsFragment[] {
  const byId = new Map(old.map((message) => [message.id, message]));
  for (const message of added) {
    byId.set(message.id, message);
  }
  return [...byId.values()].sort((a, b) => a.position - b.position);
}

/** Merge the newest page. If messages between it and the old stretch are missing, only the page remains. */
export function mergeNewest(old: Stretch | undefined, page: Stretch): Stretch {
  const [first] = page.messages;
  const last = old?.messages.at(-1);
  if (!old || !first || !last || first.position > last.position + 1) {
    return page;
  }
  const older = (old.messages[0]?.position ?? 0) < first.position;
  return {
    messages: union(old.messages, page.messages),
    hasOlder: older ? old.hasOlder : page.hasOlder,
    before: older ? old.before : page.before,
  };
}

/** Merge a page that ends where the stretch begins. */
export function mergeOlder(old: Stretch, page: Stretch): Stretch {
  return { messages: union(page.messages, old.messages), hasOlder: page.hasOlder, before: page.before };
}

/** Merge one message. Returns undefined if messages before it are missing: the newest page must be read again. */
export function mergeOne(old: Stretch | undefined, message: MessagePartsFragment): Stretch | undefined {
  const last = old?.messages.at(-1)?.position ?? 0;
  if (!old || message.position > last + 1) {
    return undefined;
  }
  return { ...old, messages: union(old.messages, [message]) };
}

function isAnswer(message: MessagePartsFragment): boolean {
  return message.role === "HUMAN" && message.status === "DELIVERED";
}

/** Return the position of the newest reply by a person, 0 without one. */
export function lastHumanPosition(messages: readonly MessagePartsFragment[]): number {
  return messages.findLast(isAnswer)?.position ?? 0;
}

/** Return the newest reply after a position by another person than this member, if there is one. */
export function colleaguesAnswer(
  messages: readonly MessagePartsFragment[],
  after: number,
  memberId: string | undefined,
): MessagePartsFragment | undefined {
  return messages.findLast(
    (message) => isAnswer(message) && message.position > after && message.author?.id !== memberId,
  );
}
