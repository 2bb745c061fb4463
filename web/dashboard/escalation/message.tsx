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
import { keys, patchEscalationNow, queryClient } from "../cache";
import { useViewer } from "../session/viewer";
import { formatFullTime, formatPercent, formatTime } from "../words";
import { focusBox } from "./composer";
import { append, draftStore } from "./drafts";
import styles from "./escalation.module.css";
import { Markdown } from "./markdown";
import { lastHumanPosition, type Stretch } from "./messages";
import { addMessage } from "./use-conversation";

export interface MessageProps {
  message: MessagePartsFragment;
  previous: MessagePartsFragment | undefined;
  /** The customer has read it. */
  seen: boolean;
  /** The newest reply by a person. */
  last: boolean;
  mayWrite: boolean;
  held: HeldUse;
}

/** What the team can do with a held reply. A late one came when the AI had control again. */
export type HeldUse = "send" | "edit" | "reopen" | "late";

const NOT_SENDABLE: Record<HeldUse, string> = {
  send: "",
  edit: "No escalation is active, so it cannot be sent from here. Take over first, or edit it as your own reply.",
  reopen: "No escalation is active, so it cannot be sent from here. Reopen the escalation first.",
  late: "",
};

function confidenceTone(confidence: number) {
  return confidence < 40 ? ("danger" as const) : confidence < 70 ? ("warn" as const) : ("ok" as const);
}

export const Message = memo(function Message(props: MessageProps) {
  const { message, previous, seen, last, mayWrite, held } = props;
  const { role, status, author } = message;
  if (role === "SYSTEM") {
    return (
      <li className={styles.system}>
        <Icon name="note" size={14} />
        <span dir="auto">{message.content}</span>
        <time dateTime={message.createdAt}>{formatTime(message.createdAt)}</time>
      </li>
    );
  }
  if (status === "HELD" && held !== "late") {
    return <HeldReply message={message} mayWrite={mayWrite} use={held} />;
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
          <strong>
            <bdi>{name}</bdi>
          </strong>
          {status === "DISCARDED" && <Badge>Discarded, not sent</Badge>}
          {status === "HELD" && <Badge>Came late, not sent</Badge>}
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
            <Badge key={intent}>
              <bdi>{intent}</bdi>
            </Badge>
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

interface HeldReplyProps {
  message: MessagePartsFragment;
  mayWrite: boolean;
  use: HeldUse;
}

function HeldReply({ message, mayWrite, use }: HeldReplyProps) {
  const [text, setText] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { member } = useViewer();
  const sendable = use === "send";
  const edited = sendable ? text : undefined;

  function editAsReply() {
    const stretch = queryClient.getQueryData<Stretch>(keys.messages(message.conversationId));
    const store = draftStore(member?.id ?? "", "reply", message.conversationId);
    store.set(append(store.get(), message.content, lastHumanPosition(stretch?.messages ?? [])));
    focusBox("reply");
  }

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
        ...(edited !== undefined && { content: edited }),
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
      {edited === undefined ? (
        <Markdown text={message.content} />
      ) : (
        <TextArea
          label="Edit the draft"
          hideLabel
          autoFocus
          dir="auto"
          value={edited}
          onChange={(event) => setText(event.target.value)}
        />
      )}
      {mayWrite && !sendable && <p className={styles.quiet}>{NOT_SENDABLE[use]}</p>}
      {mayWrite && (
        <div className={styles.heldActions}>
          {sendable && (
            <Button look="primary" onPress={send} isDisabled={busy || edited?.trim() === ""}>
              {edited === undefined ? "Send as it is" : "Send edited"}
            </Button>
          )}
          {edited !== undefined ? (
            <Button onPress={() => setText(undefined)} isDisabled={busy}>
              Cancel
            </Button>
          ) : (
            use !== "reopen" && (
              <Button onPress={() => (sendable ? setText(message.content) : editAsReply())} isDisabled={busy}>
                Edit
              </Button>
            )
          )}
          <Button look="quiet" icon="trash" onPress={discard} isDisabled={busy}>
            Discard
          </Button>
        </div>
      )}
    </li>
  );
}
