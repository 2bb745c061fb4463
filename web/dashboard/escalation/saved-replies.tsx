/** The list that “/” opens in the reply box. */

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { SavedRepliesDocument, type SavedRepliesQuery } from "../../gql/operations";
import { execute } from "../api";
import { keys } from "../cache";
import styles from "./escalation.module.css";

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

export function useSavedReplies() {
  return useQuery({
    queryKey: keys.savedReplies,
    queryFn: () => execute(SavedRepliesDocument, {}),
    staleTime: 60_000,
  });
}

export interface SavedReplyListProps {
  id: string;
  replies: readonly SavedReply[];
  active: number;
  onPick(reply: SavedReply): void;
}

export function SavedReplyList({ id, replies, active, onPick }: SavedReplyListProps) {
  useEffect(() => {
    document.getElementById(`${id}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [id, active]);
  if (!replies.length) {
    return <p className={styles.slashEmpty}>No saved reply fits. Create one under Saved replies.</p>;
  }
  return (
    <div id={id} role="listbox" aria-label="Saved replies" className={styles.slash} tabIndex={-1}>
      {replies.map((reply, index) => (
        <div
          key={reply.id}
          id={`${id}-${index}`}
          role="option"
          tabIndex={-1}
          aria-selected={index === active}
          // The focus stays in the text.
          onMouseDown={(event) => {
            event.preventDefault();
            onPick(reply);
          }}
        >
          <code>/{reply.shortcut}</code>
          <span>{reply.title}</span>
          <span>{reply.content}</span>
        </div>
      ))}
    </div>
  );
}
