/** First steps: an AI agent, the snippet, the first message, and a test escalation. */

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import {
  ConversationsDocument,
  CreateAgentDocument,
  EscalateConversationDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, SkeletonLines } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { serviceUrl } from "../base";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { AgentPicker } from "../settings/agent-picker";
import { useAgent, useSettings } from "../settings/use-settings";
import { customerName, formatTime } from "../words";
import styles from "./start.module.css";

const route = getRouteApi("/session/shell/first-steps");

export function FirstStepsScreen() {
  const { agent: wanted } = route.useSearch();
  const { agent, agents, isPending } = useAgent(wanted);
  const mayWrite = useMay("SETTINGS_WRITE");
  return (
    <Page
      title="First steps"
      lead="From an empty workspace to the first conversation that a person answers."
      actions={<AgentPicker agents={agents} agent={agent} to="/first-steps" />}
    >
      {isPending ? (
        <SkeletonLines lines={12} />
      ) : (
        <ol className={styles.steps}>
          <Step title="Create an AI agent" done={Boolean(agent)}>
            {agent ? (
              <p>
                {agent.name} <code>{agent.id}</code>
              </p>
            ) : (
              <p>An AI agent has its own escalation rules.</p>
            )}
            {mayWrite && <AgentForm first={!agent} />}
          </Step>
          {agent && <AgentSteps key={agent.id} agentId={agent.id} />}
        </ol>
      )}
    </Page>
  );
}

function Step({ title, done, children }: { title: string; done: boolean; children: ReactNode }) {
  return (
    <li className={styles.step} data-done={done}>
      <h2>
        {title} {done && <Badge tone="ok">Done</Badge>}
      </h2>
      {children}
    </li>
  );
}

function AgentForm({ first }: { first: boolean }) {
  const create = useSubmit(async (form) => {
    try {
      await execute(CreateAgentDocument, { name: String(new FormData(form).get("name")) });
      form.reset();
      queryClient.invalidateQueries({ queryKey: keys.agents });
    } catch (error) {
      showError(error);
    }
  });
  return (
    <form onSubmit={create} className={styles.inline}>
      <TextField label={first ? "Name" : "Another agent"} name="name" required placeholder="Shop assistant" />
      <Button type="submit">Create</Button>
    </form>
  );
}

function AgentSteps({ agentId }: { agentId: string }) {
  const settings = useSettings(agentId);
  const widget = settings.data?.escalationSettings.widget;
  const snippet = `<script async src="${serviceUrl}widget.js" data-agent="${agentId}"></script>`;
  const conversations = useQuery({
    queryKey: ["first-conversation", agentId],
    queryFn: () => execute(ConversationsDocument, { filter: { agentId }, orderBy: "CREATED_DESC", first: 1 }),
    // Until the first message is there.
    refetchInterval: (query) => (query.state.data?.conversations.nodes.length ? false : 3_000),
  });
  const conversation = conversations.data?.conversations.nodes[0];

  async function test() {
    if (!conversation) {
      return;
    }
    try {
      await execute(EscalateConversationDocument, {
        input: { conversationId: conversation.id, reason: "Test from the first steps" },
      });
      showToast("The escalation is in the list");
      queryClient.invalidateQueries({ queryKey: ["first-conversation"] });
    } catch (error) {
      showError(error);
    }
  }

  if (settings.isPending || conversations.isPending) {
    return (
      <li>
        <SkeletonLines lines={12} />
      </li>
    );
  }
  return (
    <>
      <Step title="Allow your site" done={Boolean(widget?.allowedOrigins.length)}>
        <p>
          {widget?.allowedOrigins.length
            ? `Allowed: ${widget.allowedOrigins.join(", ")}.`
            : "No site may embed the widget yet. Add yours under Escalation rules, Chat widget."}{" "}
          {widget &&
            !widget.anonymousConversations &&
            "Visitors without a signed identity may not start conversations."}
        </p>
        <Link to="/settings/escalations">Open the rules</Link>
      </Step>
      <Step title="Put the widget on your page" done={Boolean(conversation)}>
        <pre className={styles.snippet}>
          <code>{snippet}</code>
        </pre>
        <div>
          <Button
            icon="copy"
            onPress={async () => {
              try {
                await navigator.clipboard.writeText(snippet);
                showToast("Copied the snippet");
              } catch {
                showToast("This browser does not allow copying: select the text.");
              }
            }}
          >
            Copy
          </Button>
        </div>
      </Step>
      <Step title="See the first message arrive" done={Boolean(conversation)}>
        <p role="status">
          {conversation
            ? `${customerName(conversation.customer)} wrote, ${formatTime(conversation.lastMessageAt ?? conversation.createdAt)}.`
            : "Waiting for the first message…"}
        </p>
      </Step>
      <Step title="Send a test escalation" done={Boolean(conversation?.activeEscalation)}>
        <div className={styles.inline}>
          <Button onPress={test} isDisabled={!conversation || Boolean(conversation.activeEscalation)}>
            Escalate the newest conversation
          </Button>
          {conversation?.activeEscalation && (
            <Link to="/escalations/$escalationId" params={{ escalationId: conversation.activeEscalation.id }}>
              Open it and answer
            </Link>
          )}
        </div>
      </Step>
    </>
  );
}
