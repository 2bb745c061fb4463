/** The two boxes under a conversation: a reply that the customer sees, and a note that only the team sees. */

import { useId, useRef, useState } from "react";
import type { PressEvent } from "react-aria-components";
import { flushSync } from "react-dom";
import {
  type ConversationRowFragment,
  type EscalationRowFragment,
  type MessagePartsFragment,
  ReplyDocument,
  ReplyToConversationDocument,
  SetTypingDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Banner } from "../../ui/feedback";
import { restoreFocusAfter } from "../../ui/focus";
import { Icon } from "../../ui/icon";
import { isFinal } from "../../live/request";
import { CallError, execute } from "../api";
import { keys, patchEscalationNow, queryClient } from "../cache";
import { useKeys } from "../keys";
import { liveState } from "../live";
import { signedOut } from "../session/state";
import { useViewer } from "../session/viewer";
import { useStore } from "../store";
import { customerName, formatTime } from "../words";
import { type Box, useDraft } from "./drafts";
import styles from "./escalation.module.css";
import { colleaguesAnswer, lastHumanPosition } from "./messages";
import { NoteBox } from "./note-box";
import { SavedReplyList, useSavedReplies } from "./saved-replies";
import { fillReply, matchReplies, type SavedReply, slashAt } from "./saved-reply-text";
import { addMessage, type Presence, readNewest } from "./use-conversation";

const TYPING_EVERY = 4_000;

export interface ComposerProps {
  conversation: ConversationRowFragment;
  /** Absent when nobody has been asked for: the reply then takes over. */
  escalationId: string | undefined;
  /** The escalation is resolved: it takes notes, but no replies. */
  resolved?: boolean;
  messages: readonly MessagePartsFragment[];
  presence: Presence;
  onResolve(escalation: EscalationRowFragment): void;
}

export function Composer(props: ComposerProps) {
  const [chosen, setChosen] = useState<Box>("reply");
  const { escalationId, resolved = false, presence, conversation } = props;
  const wanted: Box = escalationId ? chosen : "reply";
  const box = resolved && wanted === "reply" ? undefined : wanted;
  const group = "This escalation";

  function open(next: Box) {
    // Drawn before the next key is typed, which belongs to the box.
    flushSync(() => setChosen(next));
    focusBox(next);
  }

  useKeys([
    ...(resolved ? [] : [{ key: "r", text: "Write a reply", group, run: () => open("reply") }]),
    ...(escalationId ? [{ key: "n", text: "Write an internal note", group, run: () => open("note") }] : []),
  ]);
  return (
    <section className={styles.composer} data-box={box} aria-label="Answer">
      <div className={styles.boxes}>
        {resolved ? (
          <Resolved conversationId={conversation.id} />
        ) : (
          <button
            type="button"
            data-active={box === "reply" || undefined}
            aria-pressed={box === "reply"}
            onClick={() => open("reply")}
          >
            <Icon name="reply" size={14} />
            <span>Reply to</span> <bdi>{customerName(conversation.customer)}</bdi>
          </button>
        )}
        {escalationId && (
          <button
            type="button"
            data-active={box === "note" || undefined}
            aria-pressed={box === "note"}
            onClick={() => open("note")}
          >
            <Icon name="note" size={14} /> Internal note
          </button>
        )}
        <Others presence={presence} />
      </div>
      {box === "reply" && <ReplyBox {...props} />}
      {box === "note" && <NoteBox escalationId={escalationId as string} />}
    </section>
  );
}

/** Says why there is no reply box, and what became of a text in it. */
function Resolved({ conversationId }: { conversationId: string }) {
  const { draft } = useDraft(useViewer().member?.id ?? "", "reply", conversationId, 0);
  return <p className={styles.closed}>Resolved. Reopen it to reply.{draft.text && " Your text is kept."}</p>;
}

export function focusBox(box: Box) {
  document.querySelector<HTMLTextAreaElement>(`textarea[data-box="${box}"]`)?.focus();
}

function Others({ presence }: { presence: Presence }) {
  const writing = presence.typing.map((member) => member.name);
  const reading = presence.viewers.map((member) => member.name).filter((name) => !writing.includes(name));
  return (
    <p className={styles.others} aria-live="polite">
      {writing.length > 0 && (
        <strong>
          <bdi>{writing.join(", ")}</bdi> {writing.length > 1 ? "are" : "is"} writing…
        </strong>
      )}
      {reading.length > 0 && (
        <span>
          <Icon name="eye" size={14} /> <bdi>{reading.join(", ")}</bdi> {reading.length > 1 ? "are" : "is"}{" "}
          here
        </span>
      )}
    </p>
  );
}

type Warning = { kind: "answered"; author: string; at: string } | { kind: "stale" };

function ReplyBox({ conversation, escalationId, messages, onResolve }: ComposerProps) {
  const { member } = useViewer();
  const lastHuman = lastHumanPosition(messages);
  // A reply answers the conversation: the text stays while escalations come and go.
  const { draft, write, acknowledge, clear, sendTo } = useDraft(
    member?.id ?? "",
    "reply",
    conversation.id,
    lastHuman,
  );
  const { status } = useStore(liveState);
  const { data: saved } = useSavedReplies();
  const text = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const [caret, setCaret] = useState(0);
  const [active, setActive] = useState(0);
  const [dismissed, setDismissed] = useState(false);
  const [sending, setSending] = useState(false);
  const [error, setError] = useState<string>();
  const [unsure, setUnsure] = useState(false);
  const tellTyping = useTyping(conversation.id);

  const newer = colleaguesAnswer(messages, draft.seen, member?.id);
  const warning: Warning | undefined =
    draft.text && newer
      ? { kind: "answered", author: newer.author?.name ?? "A colleague", at: newer.createdAt }
      : unsure && status !== "live"
        ? { kind: "stale" }
        : undefined;

  const slash = dismissed ? undefined : slashAt(draft.text, caret);
  const replies = slash ? matchReplies(saved?.savedReplies ?? [], slash.word) : [];

  function insert(reply: SavedReply) {
    if (!slash) {
      return;
    }
    const content = fillReply(reply.content, {
      customer: customerName(conversation.customer),
      member: member?.name ?? "",
      agent: conversation.agent.name,
    });
    const end = slash.from + content.length;
    // Drawn before the next key is typed, which belongs after the inserted text.
    flushSync(() => {
      write(draft.text.slice(0, slash.from) + content + draft.text.slice(slash.to));
      setCaret(end);
    });
    text.current?.focus();
    text.current?.setSelectionRange(end, end);
  }

  async function send(thenResolve: boolean, anyway: boolean) {
    const content = draft.text.trim();
    if (!content || sending) {
      return;
    }
    if (!anyway) {
      if (warning?.kind === "answered") {
        return;
      }
      // Not live: a colleague may have answered. Look before sending.
      if (status !== "live") {
        try {
          await readNewest(conversation.id);
        } catch {
          // Signing in again takes place over the page.
          setUnsure(!signedOut.get());
          return;
        }
        setUnsure(false);
        const now =
          queryClient.getQueryData<{ messages: MessagePartsFragment[] }>(keys.messages(conversation.id))
            ?.messages ?? [];
        if (colleaguesAnswer(now, draft.seen, member?.id)) {
          return;
        }
      }
    }
    setSending(true);
    setError(undefined);
    setUnsure(false);
    try {
      const { idempotencyKey, sentTo = escalationId ?? conversation.id } = draft;
      sendTo(sentTo);
      const payload =
        sentTo === conversation.id
          ? (
              await execute(ReplyToConversationDocument, {
                input: { conversationId: sentTo, content, idempotencyKey },
              })
            ).replyToConversation
          : (await execute(ReplyDocument, { input: { escalationId: sentTo, content, idempotencyKey } }))
              .replyToEscalation;
      if (payload) {
        addMessage(payload.message);
        patchEscalationNow(payload.escalation);
      }
      clear(content);
      tellTyping(false);
      queryClient.invalidateQueries({ queryKey: keys.conversation(conversation.id) });
      if (escalationId) {
        queryClient.invalidateQueries({ queryKey: keys.escalation(escalationId) });
      }
      if (thenResolve && payload) {
        onResolve(payload.escalation);
      }
    } catch (failure) {
      if (failure instanceof CallError && isFinal(failure.cause)) {
        sendTo(undefined);
      }
      setError((failure as Error).message);
    } finally {
      setSending(false);
    }
  }

  async function sendBy(press: PressEvent, thenResolve: boolean) {
    await send(thenResolve, false);
    restoreFocusAfter(press, text.current);
  }

  return (
    <>
      {warning && (
        <Banner
          tone="warn"
          actions={
            <>
              <Button onPress={() => send(false, true)}>Send anyway</Button>
              {warning.kind === "answered" && (
                <Button look="quiet" onPress={acknowledge}>
                  I have read it
                </Button>
              )}
            </>
          }
        >
          {warning.kind === "answered"
            ? `${warning.author} answered at ${formatTime(warning.at)}, while you were writing.`
            : "There is no connection, so a colleague may have answered. Your text is kept."}
        </Banner>
      )}
      {error && <Banner tone="danger">Not sent. {error}</Banner>}
      {slash && <SavedReplyList id={listId} replies={replies} active={active} onPick={insert} />}
      <textarea
        ref={text}
        data-box="reply"
        className={styles.write}
        aria-label={`Reply to ${customerName(conversation.customer)}`}
        placeholder={
          escalationId
            ? "The customer sees this. Type / for a saved reply."
            : "The customer sees this. Sending takes over from the AI."
        }
        value={draft.text}
        maxLength={20_000}
        dir="auto"
        rows={3}
        aria-autocomplete="list"
        aria-controls={slash && replies.length ? listId : undefined}
        aria-activedescendant={slash && replies[active] ? `${listId}-${active}` : undefined}
        onChange={(event) => {
          write(event.target.value);
          setCaret(event.target.selectionStart);
          setActive(0);
          setDismissed(false);
          setUnsure(false);
          tellTyping(event.target.value !== "");
        }}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
        onBlur={() => tellTyping(false)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) {
            return;
          }
          if (slash && replies.length) {
            const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
            if (step) {
              event.preventDefault();
              setActive((active + step + replies.length) % replies.length);
              return;
            }
            if ((event.key === "Enter" || event.key === "Tab") && !event.metaKey && !event.ctrlKey) {
              event.preventDefault();
              insert(replies[active] as SavedReply);
              return;
            }
          }
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
            event.preventDefault();
            send(event.shiftKey && Boolean(escalationId), false);
          } else if (event.key === "Escape") {
            event.preventDefault();
            if (slash) {
              setDismissed(true);
            } else {
              event.currentTarget.blur();
            }
          }
        }}
      />
      <div className={styles.sendRow}>
        <span>{draft.text ? "Draft kept in this browser" : ""}</span>
        <Button
          onPress={(press) => sendBy(press, true)}
          isDisabled={!draft.text.trim() || sending || !escalationId}
        >
          Send and resolve
        </Button>
        <Button
          look="primary"
          onPress={(press) => sendBy(press, false)}
          isDisabled={!draft.text.trim() || sending}
        >
          {sending ? "Sending…" : "Send reply"}
        </Button>
      </div>
    </>
  );
}

/** Report that the member writes, at most every few seconds. */
function useTyping(conversationId: string) {
  const last = useRef(0);
  const typing = useRef(false);
  return (now: boolean) => {
    const due = now && Date.now() - last.current > TYPING_EVERY;
    if (due || now !== typing.current) {
      typing.current = now;
      last.current = Date.now();
      execute(SetTypingDocument, { id: conversationId, typing: now }).catch(() => {});
    }
  };
}
