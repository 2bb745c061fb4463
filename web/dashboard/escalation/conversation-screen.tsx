/** One conversation, whether or not a person was asked for. */

import { getRouteApi, Link, useNavigate, useRouter } from "@tanstack/react-router";
import { useState } from "react";
import { EscalateConversationDocument, type EscalationRowFragment } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { Badge, ErrorState, SkeletonLines } from "../../ui/feedback";
import { showError } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { ChangeDialog } from "../escalations/dialogs";
import { STATUS_TONE } from "../escalations/row";
import { useKeys } from "../keys";
import { MissingPage, useTitle } from "../page";
import { useMay } from "../session/viewer";
import { customerName, formatTime, STATUS, TRIGGER } from "../words";
import { Composer } from "./composer";
import { ControlBadge, ConversationMenu } from "./control";
import styles from "./escalation.module.css";
import { PendingNotice } from "./pending";
import { Section } from "./section";
import { CustomerSection } from "./side";
import { Transcript } from "./transcript";
import { useConversation, useLiveConversation, useMessages } from "./use-conversation";

const route = getRouteApi("/session/shell/conversations/$conversationId");

export function ConversationScreen() {
  const { conversationId } = route.useParams();
  return <Loaded key={conversationId} id={conversationId} />;
}

function Loaded({ id }: { id: string }) {
  const query = useConversation(id);
  const messagesQuery = useMessages(id);
  const presence = useLiveConversation(id, () => {});
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const navigate = useNavigate();
  const router = useRouter();
  const [details, setDetails] = useState(false);
  const [resolved, setResolved] = useState<EscalationRowFragment>();
  const conversation = query.data?.conversation;
  const stretch = messagesQuery.data;
  useTitle(conversation ? customerName(conversation.customer) : "Conversation");

  function back() {
    if (router.history.canGoBack()) {
      router.history.back();
    } else {
      navigate({ to: "/conversations" });
    }
  }
  useKeys([{ key: "Escape", text: "Back to the list", group: "This conversation", run: back }]);

  async function takeOver() {
    try {
      const { escalateConversation } = await execute(EscalateConversationDocument, {
        input: { conversationId: id, reason: "Taken over from the dashboard" },
      });
      queryClient.invalidateQueries({ queryKey: keys.conversation(id) });
      if (escalateConversation) {
        await navigate({
          to: "/escalations/$escalationId",
          params: { escalationId: escalateConversation.escalation.id },
        });
      }
    } catch (error) {
      showError(error);
    }
  }

  if (query.data && !conversation) {
    return (
      <MissingPage
        title="This conversation does not exist"
        lead="It may belong to another workspace, or the address is incomplete."
      />
    );
  }
  if (!conversation || !stretch) {
    const error = query.error ?? messagesQuery.error;
    return error ? (
      <ErrorState error={error} onRetry={() => void query.refetch()} />
    ) : (
      <SkeletonLines lines={9} />
    );
  }
  const { activeEscalation } = conversation;
  return (
    <div className={styles.screen} data-details={details}>
      <header className={styles.head}>
        <IconButton label="Back to the list" icon="left" shortcut="Esc" onPress={back} />
        <h1 dir="auto">{customerName(conversation.customer)}</h1>
        <span className={styles.badges}>
          <ControlBadge ai={conversation.ai} />
        </span>
        <span className={styles.controls}>
          {activeEscalation ? (
            <Button
              look="primary"
              onPress={() =>
                navigate({ to: "/escalations/$escalationId", params: { escalationId: activeEscalation.id } })
              }
            >
              Open the escalation
            </Button>
          ) : (
            mayWrite && <Button onPress={takeOver}>Take over</Button>
          )}
          <ConversationMenu conversation={conversation} mayWrite={mayWrite} />
          <span className={styles.detailsToggle}>
            <IconButton
              label={details ? "Show the conversation" : "Show the details"}
              icon={details ? "chat" : "note"}
              onPress={() => setDetails(!details)}
            />
          </span>
        </span>
      </header>
      <div className={styles.columns}>
        <div className={styles.main}>
          {conversation.pendingEscalation && (
            <PendingNotice conversationId={id} pending={conversation.pendingEscalation} mayWrite={mayWrite} />
          )}
          <Transcript
            conversation={conversation}
            messages={stretch.messages}
            hasOlder={stretch.hasOlder}
            presence={presence}
            mayWrite={mayWrite}
            repliesHere
          />
          {mayWrite && (
            <Composer
              conversation={conversation}
              escalationId={activeEscalation?.id}
              messages={stretch.messages}
              presence={presence}
              onResolve={setResolved}
            />
          )}
        </div>
        <aside className={styles.side} aria-label="Details">
          <CustomerSection conversation={conversation} current={undefined} />
          <Section title="Escalations">
            {conversation.escalations.nodes.length === 0 && <p className={styles.quiet}>None.</p>}
            <ul className={styles.otherEscalations}>
              {conversation.escalations.nodes.map((escalation) => (
                <li key={escalation.id}>
                  <Link to="/escalations/$escalationId" params={{ escalationId: escalation.id }}>
                    {TRIGGER[escalation.trigger]} · {formatTime(escalation.createdAt)}
                  </Link>
                  <Badge tone={STATUS_TONE[escalation.status]}>{STATUS[escalation.status]}</Badge>
                </li>
              ))}
            </ul>
          </Section>
        </aside>
      </div>
      {resolved && <ChangeDialog change="resolve" rows={[resolved]} onClose={() => setResolved(undefined)} />}
    </div>
  );
}
