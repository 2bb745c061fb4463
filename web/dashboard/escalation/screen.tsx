/** One escalation: the whole conversation, the answer, and everything that is known. */

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate, useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { EscalationDetailDocument } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { Avatar, Badge, ErrorState, SkeletonLines } from "../../ui/feedback";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { claim, reopen, resolving } from "../escalations/actions";
import { type Change, ChangeDialog } from "../escalations/dialogs";
import { PriorityIcon } from "../escalations/priority-icon";
import { STATUS_TONE } from "../escalations/row";
import { SlaBadge } from "../escalations/sla-badge";
import { useKeys } from "../keys";
import { MissingPage, useTitle } from "../page";
import { useMay } from "../session/viewer";
import { useStore } from "../store";
import { useTick } from "../tick";
import { customerName, PRIORITY, STATUS } from "../words";
import { Composer } from "./composer";
import { ControlBadge, ControlWords, ConversationMenu } from "./control";
import styles from "./escalation.module.css";
import { Side } from "./side";
import { Transcript } from "./transcript";
import { useConversation, useLiveConversation, useMessages } from "./use-conversation";

const route = getRouteApi("/session/shell/escalations/$escalationId");

export function EscalationScreen() {
  const { escalationId } = route.useParams();
  const { data, error, refetch } = useQuery({
    queryKey: keys.escalation(escalationId),
    queryFn: () => execute(EscalationDetailDocument, { id: escalationId }),
  });
  if (data?.escalation) {
    return <Loaded key={escalationId} escalation={data.escalation} />;
  }
  if (data) {
    return (
      <MissingPage
        title="This escalation does not exist"
        lead="It may belong to another workspace, or the address is incomplete."
      />
    );
  }
  return error ? <ErrorState error={error} onRetry={refetch} /> : <SkeletonLines lines={9} />;
}

type Escalation = NonNullable<import("../../gql/operations").EscalationDetailQuery["escalation"]>;

function Loaded({ escalation }: { escalation: Escalation }) {
  const conversationId = escalation.conversation.id;
  const name = customerName(escalation.conversation.customer);
  useTitle(name);
  const conversationQuery = useConversation(conversationId);
  const messagesQuery = useMessages(conversationId);
  const presence = useLiveConversation(conversationId, () =>
    queryClient.invalidateQueries({ queryKey: keys.escalation(escalation.id) }),
  );
  const [change, setChange] = useState<Change>();
  const [details, setDetails] = useState(false);
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const pending = useStore(resolving).has(escalation.id);
  const navigate = useNavigate();
  const router = useRouter();
  const minute = useTick((now) => Math.floor(now / 60_000));
  const active = escalation.status !== "RESOLVED";
  const rows = [escalation];
  const conversation = conversationQuery.data?.conversation;
  const stretch = messagesQuery.data;

  function back() {
    if (router.history.canGoBack()) {
      router.history.back();
    } else {
      navigate({ to: "/escalations" });
    }
  }

  // “R” in the list opens the escalation with the reply box in focus.
  useEffect(() => {
    if (location.hash === "#reply" && stretch) {
      document.querySelector<HTMLTextAreaElement>('textarea[data-box="reply"]')?.focus();
    }
  }, [Boolean(stretch)]);

  const group = "This escalation";
  useKeys([
    { key: "Escape", text: "Back to the list", group, run: back },
    ...(mayWrite && active
      ? [
          { key: "c", text: "Claim", group, run: () => escalation.assignee || claim(rows) },
          { key: "a", text: "Assign", group, run: () => setChange("assign") },
          { key: "p", text: "Set the priority", group, run: () => setChange("priority") },
          { key: "e", text: "Resolve", group, run: () => setChange("resolve") },
        ].map((binding) => ({ ...binding, run: () => void binding.run() }))
      : []),
    ...(mayWrite && !active ? [{ key: "o", text: "Reopen", group, run: () => void reopen(escalation) }] : []),
  ]);

  return (
    <div className={styles.screen} data-details={details}>
      <header className={styles.head}>
        <IconButton label="Back to the list" icon="left" shortcut="Esc" onPress={back} />
        <h1 dir="auto">{name}</h1>
        <span className={styles.badges}>
          {pending ? (
            <Badge tone="ok">Resolving…</Badge>
          ) : (
            <Badge tone={STATUS_TONE[escalation.status]}>{STATUS[escalation.status]}</Badge>
          )}
          <SlaBadge sla={escalation.sla} />
          {conversation ? (
            <ControlBadge ai={conversation.ai} />
          ) : (
            // The place of the badge: what follows would move when it comes.
            <span className={styles.place}>
              <ControlWords state={active ? "PAUSED" : "ACTIVE"} pausedAt={escalation.createdAt} />
            </span>
          )}
        </span>
        <span className={styles.controls}>
          {mayWrite && active && (
            <>
              <Button
                look="quiet"
                onPress={() => setChange("priority")}
                aria-label={`Priority: ${PRIORITY[escalation.priority]}`}
              >
                <PriorityIcon priority={escalation.priority} />
                <span className={styles.wide}>{PRIORITY[escalation.priority]}</span>
              </Button>
              {escalation.assignee ? (
                <Button
                  look="quiet"
                  onPress={() => setChange("assign")}
                  aria-label={`Assigned to ${escalation.assignee.name}`}
                >
                  <Avatar name={escalation.assignee.name} />
                  <bdi className={styles.wide}>{escalation.assignee.name}</bdi>
                </Button>
              ) : (
                <Button shortcut="C" onPress={() => claim(rows)}>
                  Claim
                </Button>
              )}
              <Button look="primary" shortcut="E" onPress={() => setChange("resolve")} isDisabled={pending}>
                Resolve
              </Button>
            </>
          )}
          {mayWrite && !active && (
            <Button icon="refresh" onPress={() => reopen(escalation)}>
              Reopen
            </Button>
          )}
          {conversation ? (
            <ConversationMenu
              conversation={conversation}
              escalation={escalation}
              mayWrite={mayWrite}
              onChange={setChange}
            />
          ) : (
            <span className={styles.place}>
              <IconButton label="Conversation menu" icon="more" />
            </span>
          )}
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
          {conversation && stretch ? (
            <Transcript
              conversation={conversation}
              messages={stretch.messages}
              hasOlder={stretch.hasOlder}
              presence={presence}
              mayWrite={mayWrite}
              repliesHere={active}
            />
          ) : messagesQuery.error || conversationQuery.error ? (
            <ErrorState
              error={messagesQuery.error ?? conversationQuery.error}
              onRetry={() => void messagesQuery.refetch()}
            />
          ) : (
            <SkeletonLines lines={8} />
          )}
          {conversation && stretch && mayWrite && (
            <Composer
              conversation={conversation}
              escalationId={escalation.id}
              resolved={!active}
              messages={stretch.messages}
              presence={presence}
              onResolve={() => setChange("resolve")}
            />
          )}
          {!active && !mayWrite && <p className={styles.closed}>Resolved.</p>}
        </div>
        <aside className={styles.side} aria-label="Details">
          {conversation ? (
            <Side
              escalation={escalation}
              conversation={conversation}
              mayWrite={mayWrite}
              now={minute * 60_000}
            />
          ) : (
            <SkeletonLines lines={5} />
          )}
        </aside>
      </div>
      <ChangeDialog change={change} rows={rows} onClose={() => setChange(undefined)} />
    </div>
  );
}
