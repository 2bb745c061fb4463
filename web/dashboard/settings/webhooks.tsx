/** Webhook endpoints: which events they receive, and their secrets, each shown once. */

import { getRouteApi, Link } from "@tanstack/react-router";
import { useState } from "react";
import {
  CreateWebhookDocument,
  DeleteWebhookDocument,
  RotateWebhookSecretDocument,
  UpdateWebhookDocument,
  type WebhookFragment,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, Banner, EmptyState, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Checkbox, TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { ConfirmDialog, Dialog, DialogActions } from "../../ui/overlay";
import { showError } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { AgentPicker } from "./agent-picker";
import { Secret } from "./secret";
import { sendTest } from "./sections";
import styles from "./settings.module.css";
import { useAgent, useSettings } from "./use-settings";

const route = getRouteApi("/session/shell/settings/webhooks");

const EVENTS = [
  "escalation.created",
  "escalation.updated",
  "escalation.replied",
  "escalation.resolved",
  "escalation.reopened",
  "escalation.sla_at_risk",
  "escalation.sla_breached",
  "turn.requested",
  "conversation.ai_paused",
  "conversation.ai_resumed",
];

export function WebhooksScreen() {
  const { agent: wanted } = route.useSearch();
  const { agent, agents } = useAgent(wanted);
  return (
    <Page
      title="Webhooks"
      lead="Signed by the Standard Webhooks scheme, repeated until they are received."
      actions={<AgentPicker agents={agents} agent={agent} to="/settings/webhooks" />}
    >
      {agent ? <Endpoints key={agent.id} agentId={agent.id} /> : <SkeletonLines />}
    </Page>
  );
}

function Endpoints({ agentId }: { agentId: string }) {
  const { data, error, refetch } = useSettings(agentId);
  const mayWrite = useMay("SETTINGS_WRITE");
  const isAdmin = useMay("ADMIN");
  const [creating, setCreating] = useState(false);
  const [secret, setSecret] = useState<{ id: string; secret: string }>();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.settings(agentId) });

  async function act(action: () => Promise<unknown>) {
    try {
      await action();
      reload();
    } catch (failure) {
      showError(failure);
    }
  }

  if (!data) {
    return error ? <ErrorState error={error} onRetry={refetch} /> : <SkeletonLines />;
  }
  const { webhooks } = data.escalationSettings.notifications;
  return (
    <>
      <div className={styles.saveRow}>
        <span>
          <Link to="/deliveries" search={{ channel: "WEBHOOK" }}>
            Deliveries to webhooks
          </Link>
        </span>
        {mayWrite && webhooks.length > 0 && (
          <Button icon="send" onPress={() => sendTest(agentId, "WEBHOOK")}>
            Send a test event
          </Button>
        )}
        {isAdmin && (
          <Button look="primary" icon="plus" onPress={() => setCreating(true)}>
            Add an endpoint
          </Button>
        )}
      </div>
      {webhooks.length === 0 && (
        <EmptyState icon="bolt" title="No endpoint yet">
          <p>Add a URL, and Baton posts each event to it.</p>
        </EmptyState>
      )}
      {webhooks.map((endpoint) => (
        <Endpoint
          key={endpoint.id}
          endpoint={endpoint}
          mayWrite={mayWrite}
          isAdmin={isAdmin}
          secret={secret?.id === endpoint.id ? secret.secret : undefined}
          onEnable={(enabled) => act(() => execute(UpdateWebhookDocument, { id: endpoint.id, enabled }))}
          onTypes={(eventTypes) => act(() => execute(UpdateWebhookDocument, { id: endpoint.id, eventTypes }))}
          onRotate={() =>
            act(async () => {
              const { rotateWebhookSecret } = await execute(RotateWebhookSecretDocument, { id: endpoint.id });
              setSecret({ id: endpoint.id, secret: rotateWebhookSecret?.secret ?? "" });
            })
          }
          onDelete={() => act(() => execute(DeleteWebhookDocument, { id: endpoint.id }))}
        />
      ))}
      {creating && (
        <CreateDialog
          agentId={agentId}
          onClose={() => setCreating(false)}
          onCreated={(created) => {
            setCreating(false);
            setSecret(created);
            reload();
          }}
        />
      )}
    </>
  );
}

interface EndpointProps {
  endpoint: WebhookFragment;
  mayWrite: boolean;
  isAdmin: boolean;
  secret: string | undefined;
  onEnable(enabled: boolean): Promise<void>;
  onTypes(types: string[]): void;
  onRotate(): Promise<void>;
  onDelete(): void;
}

function Endpoint({
  endpoint,
  mayWrite,
  isAdmin,
  secret,
  onEnable,
  onTypes,
  onRotate,
  onDelete,
}: EndpointProps) {
  const [confirming, setConfirming] = useState(false);
  const types = new Set(endpoint.eventTypes);
  return (
    <section className={styles.endpoint} aria-label={endpoint.url}>
      <div className={styles.endpointHead}>
        <code>{endpoint.url}</code>
        <Badge tone={endpoint.enabled ? "ok" : "danger"}>{endpoint.enabled ? "On" : "Off"}</Badge>
        {mayWrite && (
          <Button onPress={() => onEnable(!endpoint.enabled)}>
            {endpoint.enabled ? "Switch off" : "Switch on"}
          </Button>
        )}
        {isAdmin && <Button onPress={onRotate}>New secret</Button>}
        {mayWrite && <Button onPress={() => setConfirming(true)}>Delete</Button>}
      </div>
      {endpoint.disabledReason && <Banner tone="danger">Switched off: {endpoint.disabledReason}</Banner>}
      {secret && <Secret label="Signing secret" secret={secret} />}
      <details>
        <summary>{types.size ? `${types.size} event types` : "Every event type"}</summary>
        <div className={styles.types} style={{ paddingTop: 8 }}>
          {EVENTS.map((type) => (
            <Checkbox
              key={type}
              checked={types.size === 0 || types.has(type)}
              disabled={!mayWrite}
              onValue={(checked) => {
                const chosen = EVENTS.filter((other) =>
                  other === type ? checked : types.size === 0 || types.has(other),
                );
                onTypes(chosen.length === EVENTS.length ? [] : chosen);
              }}
            >
              {type}
            </Checkbox>
          ))}
        </div>
      </details>
      {confirming && (
        <ConfirmDialog
          title="Delete this endpoint?"
          button="Delete"
          onClose={() => setConfirming(false)}
          onConfirm={onDelete}
        >
          It receives nothing more, and its secret is lost.
        </ConfirmDialog>
      )}
    </section>
  );
}

interface CreateDialogProps {
  agentId: string;
  onClose(): void;
  onCreated(created: { id: string; secret: string }): void;
}

function CreateDialog({ agentId, onClose, onCreated }: CreateDialogProps) {
  const [error, setError] = useState<string>();

  const create = useSubmit(async (form) => {
    const url = String(new FormData(form).get("url")).trim();
    try {
      const { createWebhookEndpoint } = await execute(CreateWebhookDocument, { input: { agentId, url } });
      if (createWebhookEndpoint) {
        onCreated({ id: createWebhookEndpoint.endpoint.id, secret: createWebhookEndpoint.secret ?? "" });
      }
    } catch (failure) {
      setError((failure as Error).message);
    }
  });

  return (
    <Dialog title="Add an endpoint" open onClose={onClose}>
      <form onSubmit={create} className={styles.form} style={{ gap: 16 }}>
        <TextField
          label="URL"
          name="url"
          type="url"
          placeholder="https://example.com/baton"
          required
          autoFocus
          error={error}
        />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Add
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
