/** One message of the conversation. */

import { memo, useState } from "react";
import {
  DiscardHeldReplyDocument,
  type MessagePartsFragment,
  SendHeldReplyDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Avatar, Badge } from "../../ui/feedback";
import { TextArea } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { showError } from "../../ui/toast";
import { execute } from "../api";
import { patchEscalationNow } from "../cache";
import { formatFullTime, formatPercent, formatTime } from "../words";
import styles from "./escalation.module.css";
import { Markdown } from "./markdown";
import { addMessage } from "./use-conversation";

export interface MessageProps {
  message: MessagePartsFragment;
  previous: MessagePartsFragment | undefined;
  /** The customer has read it. */
  seen: boolean;
  /** The newest reply by a person. */
  last: boolean;
  mayWrite: boolean;
}

function confidenceTone(confidence: number) {
  return confidence < 40 ? ("danger" as const) : confidence < 70 ? ("warn" as const) : ("ok" as const);
}

export const Message = memo(function Message({ message, previous, seen, last, mayWrite }: MessageProps) {
  const { role, status, author } = message;
  if (role === "SYSTEM") {
    return (
      <li className={styles.system}>
        <Icon name="note" size={14} />
        <span>{message.content}</span>
        <time dateTime={message.createdAt}>{formatTime(message.createdAt)}</time>
      </li>
    );
  }
  if (status === "HELD") {
    return <HeldReply message={message} mayWrite={mayWrite} />;
  }
  const same = previous?.role === role && previous.author?.id === author?.id && previous.status === status;
  const name = role === "USER" ? "Customer" : role === "ASSISTANT" ? "AI" : (author?.name ?? "Team");
  return (
    <li className={styles.message} data-role={role} data-status={status} data-position={message.position}>
      {!same && (
        <div className={styles.author}>
          {role === "HUMAN" ? (
            <Avatar name={name} />
          ) : (
            <Icon name={role === "USER" ? "user" : "spark"} size={14} />
          )}
          <strong>{name}</strong>
          {status === "DISCARDED" && <Badge>Discarded, not sent</Badge>}
          <time dateTime={message.createdAt} title={formatFullTime(message.createdAt)}>
            {formatTime(message.createdAt)}
          </time>
        </div>
      )}
      <div className={styles.bubble}>
        <Markdown text={message.content} />
      </div>
      {(message.confidence !== null || message.intents.length > 0 || (last && role === "HUMAN")) && (
        <div className={styles.facts}>
          {message.confidence !== null && message.confidence !== undefined && (
            <Badge tone={confidenceTone(message.confidence)}>{formatPercent(message.confidence)} sure</Badge>
          )}
          {message.intents.map((intent) => (
            <Badge key={intent}>{intent}</Badge>
          ))}
          {last && role === "HUMAN" && (
            <span className={styles.seen} data-seen={seen}>
              <Icon name={seen ? "eye" : "check"} size={12} /> {seen ? "Seen by the customer" : "Sent"}
            </span>
          )}
        </div>
      )}
    </li>
  );
});

function HeldReply({ message, mayWrite }: { message: MessagePartsFragment; mayWrite: boolean }) {
  const [text, setText] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function act(action: () => Promise<void>) {
    setBusy(true);
    try {
      await action();
    } catch (error) {
      showError(error);
    } finally {
      setBusy(false);
    }
  }

  const send = () =>
    act(async () => {
      const { sendHeldReply: payload } = await execute(SendHeldReplyDocument, {
        id: message.id,
        ...(text !== undefined && { content: text }),
      });
      if (payload) {
        addMessage(payload.message);
        patchEscalationNow(payload.escalation);
      }
    });
  const discard = () =>
    act(async () => {
      const { discardHeldReply: discarded } = await execute(DiscardHeldReplyDocument, { id: message.id });
      if (discarded) {
        addMessage(discarded);
      }
    });

  return (
    <li className={styles.held} data-status="HELD">
      <div className={styles.author}>
        <Icon name="spark" size={14} />
        <strong>AI draft</strong>
        <span>Held back. The customer does not see it.</span>
        {message.confidence !== null && message.confidence !== undefined && (
          <Badge tone={confidenceTone(message.confidence)}>{formatPercent(message.confidence)} sure</Badge>
        )}
      </div>
      {text === undefined ? (
        <Markdown text={message.content} />
      ) : (
        <TextArea
          label="Edit the draft"
          hideLabel
          autoFocus
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      {mayWrite && (
        <div className={styles.heldActions}>
          <Button look="primary" onPress={send} isDisabled={busy || text?.trim() === ""}>
            {text === undefined ? "Send as it is" : "Send edited"}
          </Button>
          {text === undefined ? (
            <Button onPress={() => setText(message.content)} isDisabled={busy}>
              Edit
            </Button>
          ) : (
            <Button onPress={() => setText(undefined)} isDisabled={busy}>
              Cancel
            </Button>
          )}
          <Button look="quiet" icon="trash" onPress={discard} isDisabled={busy}>
            Discard
          </Button>
        </div>
      )}
    </li>
  );
}
