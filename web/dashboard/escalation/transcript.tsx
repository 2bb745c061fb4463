/** The conversation as it went: customer, AI with its confidence, people, and the moments at which control changed. */

import { Fragment, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ConversationDetailQuery, MessagePartsFragment } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { showError } from "../../ui/toast";
import { formatTime, TRIGGER } from "../words";
import styles from "./escalation.module.css";
import { type HeldUse, Message } from "./message";
import { markRead, type Presence, readOlder } from "./use-conversation";

type Conversation = NonNullable<ConversationDetailQuery["conversation"]>;

export interface TranscriptProps {
  conversation: Conversation;
  messages: readonly MessagePartsFragment[];
  hasOlder: boolean;
  presence: Presence;
  mayWrite: boolean;
  /** The screen has a reply box. */
  repliesHere: boolean;
}

/** Return what the team can do with a held reply: the API sends it for an active escalation only. */
function heldUse({ activeEscalation, ai }: Conversation, repliesHere: boolean): HeldUse {
  if (activeEscalation) {
    return "send";
  }
  if (ai.state === "ACTIVE") {
    return "late";
  }
  return repliesHere ? "edit" : "reopen";
}

interface Moment {
  before: string | undefined;
  key: string;
  content: ReactNode;
}

/** Return the handoffs and resolutions, each with the id of the message that it stands before. */
function momentsOf(conversation: Conversation, messages: readonly MessagePartsFragment[]): Moment[] {
  const oldest = messages[0]?.createdAt ?? "";
  return conversation.escalations.nodes.flatMap((escalation) => {
    const moments: Moment[] = [];
    if (escalation.createdAt >= oldest) {
      // The confirmation is written in the transaction of the escalation, after the message that caused it.
      const next = messages.find(
        (message) =>
          message.createdAt > escalation.createdAt ||
          (message.createdAt === escalation.createdAt && message.kind === "CONFIRMATION"),
      );
      moments.push({
        before: next?.id,
        key: `${escalation.id} raised`,
        content: `Handed to the team · ${TRIGGER[escalation.trigger]} · ${formatTime(escalation.createdAt)}`,
      });
    }
    if (escalation.resolvedAt && escalation.resolvedAt >= oldest) {
      const resolvedAt = escalation.resolvedAt;
      const next = messages.find((message) => message.createdAt >= resolvedAt);
      moments.push({
        before: next?.id,
        key: `${escalation.id} resolved`,
        content: `Resolved · ${formatTime(resolvedAt)}`,
      });
    }
    return moments;
  });
}

/** The reader's place when the transcript was drawn last. The position is unknown while it is hidden. */
interface Place {
  first: string | undefined;
  height: number;
  top: number | undefined;
}

function isAtEnd({ scrollTop, clientHeight }: Element, height: number) {
  return height - scrollTop - clientHeight < 60;
}

export function Transcript(props: TranscriptProps) {
  const { conversation, messages, hasOlder, presence, mayWrite, repliesHere } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const [below, setBelow] = useState(0);
  const [loading, setLoading] = useState(false);
  const first = messages[0]?.id;
  const last = messages.at(-1);
  const previous = useRef<Place>({ first, height: 0, top: 0 });
  const team = conversation.readPositions.team;

  // The text under the eyes stays in place when older messages come in above, and the end stays in sight.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element?.clientHeight) {
      // On a small screen the details hide it. Not every browser keeps the position of what is hidden.
      previous.current.top = undefined;
      return;
    }
    const { height, top } = previous.current;
    if (top !== undefined && element.scrollTop !== top) {
      // The event of a scroll comes with the next frame only. The browser scrolls, too, where there is less text.
      atEnd.current = isAtEnd(element, Math.min(height, element.scrollHeight));
    }
    if (atEnd.current) {
      element.scrollTop = element.scrollHeight;
    } else if (previous.current.first !== first) {
      element.scrollTop += element.scrollHeight - height;
    }
    previous.current = { first, height: element.scrollHeight, top: element.scrollTop };
  });

  useEffect(() => {
    if (!atEnd.current && last) {
      setBelow(last.position);
    }
  }, [last]);

  useEffect(() => {
    const read = () => {
      if (
        last &&
        last.position > team &&
        atEnd.current &&
        document.visibilityState === "visible" &&
        mayWrite
      ) {
        markRead(conversation.id, last.position);
      }
    };
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [conversation.id, last, team, mayWrite]);

  async function loadOlder() {
    if (!hasOlder || loading) {
      return;
    }
    setLoading(true);
    try {
      await readOlder(conversation.id);
    } catch (error) {
      showError(error);
    } finally {
      setLoading(false);
    }
  }

  const moments = momentsOf(conversation, messages);
  const momentsBefore = (id: string | undefined) =>
    moments
      .filter((moment) => moment.before === id)
      .map((moment) => (
        <li key={moment.key} className={styles.moment} data-moment="">
          <span>{moment.content}</span>
        </li>
      ));

  return (
    <div className={styles.transcriptFrame}>
      <div
        ref={scroller}
        className={styles.transcript}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
        tabIndex={0}
        role="region"
        aria-label="Conversation"
        onScroll={(event) => {
          const element = event.currentTarget;
          atEnd.current = isAtEnd(element, element.scrollHeight);
          previous.current.top = element.scrollTop;
          if (atEnd.current && below) {
            setBelow(0);
            if (last && last.position > team && mayWrite) {
              markRead(conversation.id, last.position);
            }
          }
          if (element.scrollTop < 200) {
            loadOlder();
          }
        }}
      >
        {hasOlder && (
          <div className={styles.older}>
            <Button look="quiet" onPress={loadOlder} isDisabled={loading}>
              {loading ? "Loading…" : "Show older messages"}
            </Button>
          </div>
        )}
        <div role="log" aria-label="Messages">
          <ol className={styles.messages}>
            {messages.map((message, index) => (
              <Fragment key={message.id}>
                {momentsBefore(message.id)}
                <Message
                  message={message}
                  previous={messages[index - 1]}
                  seen={message.role === "HUMAN" && message.position <= conversation.readPositions.customer}
                  last={message === messages.findLast((other) => other.role === "HUMAN")}
                  mayWrite={mayWrite}
                  held={heldUse(conversation, repliesHere)}
                />
              </Fragment>
            ))}
            {momentsBefore(undefined)}
          </ol>
        </div>
        <p className={styles.typing} aria-live="polite">
          {presence.customerTyping && "The customer is writing…"}
        </p>
      </div>
      {below > 0 && (
        <button
          type="button"
          className={styles.toEnd}
          onClick={() => scroller.current?.scrollTo({ top: scroller.current.scrollHeight })}
        >
          <Icon name="down" size={14} /> New messages
        </button>
      )}
    </div>
  );
}
