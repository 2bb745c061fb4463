/** Integrations → Slack. */

import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { ConnectSlackDocument, DisconnectSlackDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, Banner, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Switch, TextArea, TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { AgentPicker } from "./agent-picker";
import type { Settings } from "./form";
import { LinesField } from "./lines-field";
import { SettingsSection } from "./section";
import { sendTest } from "./sections";
import styles from "./settings.module.css";
import { storeSettings, useAgent, useSettings, useSettingsForm } from "./use-settings";

const route = getRouteApi("/session/shell/settings/slack");

export function SlackScreen() {
  const { agent: wanted } = route.useSearch();
  const { agent, agents } = useAgent(wanted);
  return (
    <Page
      title="Slack"
      lead="Post new, reopened and late escalations to a channel."
      actions={<AgentPicker agents={agents} agent={agent} to="/settings/slack" />}
    >
      {agent ? <Load key={agent.id} agentId={agent.id} /> : <SkeletonLines />}
    </Page>
  );
}

function Load({ agentId }: { agentId: string }) {
  const { data, error, refetch } = useSettings(agentId);
  if (data) {
    return <Slack saved={data.escalationSettings} />;
  }
  return error ? <ErrorState error={error} onRetry={refetch} /> : <SkeletonLines />;
}

function Slack({ saved }: { saved: Settings }) {
  const form = useSettingsForm(saved);
  const disabled = !useMay("SETTINGS_WRITE");
  const { slack } = form.settings.notifications;
  const connected = saved.notifications.slack.connected;
  const set = (values: Partial<typeof slack>) =>
    form.edit({
      ...form.settings,
      notifications: { ...form.settings.notifications, slack: { ...slack, ...values } },
    });

  async function disconnect() {
    try {
      const { disconnectSlack } = await execute(DisconnectSlackDocument, { agentId: saved.agentId });
      storeSettings(disconnectSlack?.settings);
    } catch (error) {
      showError(error);
    }
  }

  return (
    <>
      <SettingsSection
        title="Connection"
        lead="Create a Slack app with the scopes chat:write and chat:write.public, and paste its bot token."
      >
        {connected ? (
          <div className={styles.saveRow}>
            <span>
              <Badge tone="ok" icon="check">
                Connected
              </Badge>
            </span>
            {!disabled && (
              <>
                <Button icon="send" onPress={() => sendTest(saved.agentId, "SLACK")}>
                  Send a test message
                </Button>
                <Button onPress={disconnect}>Disconnect</Button>
              </>
            )}
          </div>
        ) : disabled ? (
          <p>Not connected. An admin can connect it.</p>
        ) : (
          <ConnectForm agentId={saved.agentId} />
        )}
      </SettingsSection>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          form.save();
        }}
      >
        <SettingsSection title="Messages" lead="What is posted, and where.">
          <Switch checked={slack.enabled} disabled={disabled} onValue={(enabled) => set({ enabled })}>
            Notify in Slack
          </Switch>
          <TextField
            label="Channel"
            placeholder="#support"
            value={slack.channel ?? ""}
            disabled={disabled}
            onChange={(event) => set({ channel: event.target.value || null })}
          />
          <TextArea
            label="Message"
            hint="{reason}, {priority}, {customer} and {link} are filled in."
            value={slack.messageFormat}
            disabled={disabled}
            onChange={(event) => set({ messageFormat: event.target.value })}
          />
          <LinesField
            label="Mention"
            hint="One a line: user or group ids, “here” or “channel”."
            value={slack.mentions}
            disabled={disabled}
            onValue={(mentions) => set({ mentions })}
          />
        </SettingsSection>
        {form.dirty && (
          <div className={styles.saveBar}>
            {form.conflict && (
              <Banner tone="warn" actions={<Button onPress={form.takeMine}>Keep my changes</Button>}>
                A colleague has saved these settings meanwhile.
              </Banner>
            )}
            {form.error && <Banner tone="danger">Not saved. {form.error.message}</Banner>}
            <div className={styles.saveRow}>
              <span>Changes not saved</span>
              <Button onPress={form.discard}>Discard</Button>
              <Button look="primary" type="submit" isDisabled={form.saving || Boolean(form.conflict)}>
                Save
              </Button>
            </div>
          </div>
        )}
      </form>
    </>
  );
}

function ConnectForm({ agentId }: { agentId: string }) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const connect = useSubmit(async (form) => {
    const botToken = String(new FormData(form).get("token")).trim();
    setBusy(true);
    setError(undefined);
    try {
      const { connectSlack } = await execute(ConnectSlackDocument, { agentId, botToken });
      storeSettings(connectSlack?.settings);
      showToast("Slack is connected");
    } catch (failure) {
      setError((failure as Error).message);
    } finally {
      setBusy(false);
    }
  });

  return (
    <form onSubmit={connect} className={styles.list}>
      <TextField
        label="Bot token"
        name="token"
        type="password"
        placeholder="xoxb-…"
        required
        error={error}
        hint="Kept encrypted and never shown again."
      />
      <Button look="primary" type="submit" isDisabled={busy}>
        {busy ? "Connecting…" : "Connect"}
      </Button>
    </form>
  );
}
