/** The list that “/” opens in the reply box. */

import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { SavedRepliesDocument } from "../../gql/operations";
import { execute } from "../api";
import { keys } from "../cache";
import styles from "./escalation.module.css";
import type { SavedReply } from "./saved-reply-text";

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
