/** How a saved reply gets into the reply box. */

import type { SavedRepliesQuery } from "../../gql/operations";

export type SavedReply = SavedRepliesQuery["savedReplies"][number];

/** The shortcut being typed: “/” at the start of a word, up to the caret. */
export interface Slash {
  from: number;
  to: number;
  word: string;
}

export function slashAt(text: string, caret: number): Slash | undefined {
  const match = /(?:^|\s)\/([^\s/]{0,40})$/.exec(text.slice(0, caret));
  return match
    ? { from: caret - (match[1] as string).length - 1, to: caret, word: match[1] as string }
    : undefined;
}

/** Return the replies that fit, those whose shortcut begins with the word first. */
export function matchReplies(replies: readonly SavedReply[], word: string): SavedReply[] {
  const lower = word.toLowerCase();
  const rank = (reply: SavedReply) =>
    reply.shortcut.toLowerCase().startsWith(lower) ? 0 : reply.title.toLowerCase().includes(lower) ? 1 : 2;
  return replies
    .filter((reply) => rank(reply) < 2)
    .sort((a, b) => rank(a) - rank(b) || a.shortcut.localeCompare(b.shortcut));
}

/** Fill the placeholders {customer}, {member} and {agent}. */
export function fillReply(
  content: string,
  values: { customer: string; member: string; agent: string },
): string {
  return content.replace(/\{(customer|member|agent)\}/g, (_, name: keyof typeof values) => values[name]);
}
