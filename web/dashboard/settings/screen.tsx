/** Settings → Escalations. */

import { getRouteApi } from "@tanstack/react-router";
import { Button } from "../../ui/button";
import { Banner, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import { AgentPicker } from "./agent-picker";
import type { Settings } from "./form";
import { HoursSection } from "./hours";
import { RetentionSection } from "./retention-section";
import { AiSection, EmailSection, SlaSection } from "./sections";
import styles from "./settings.module.css";
import { ThresholdSection } from "./threshold";
import { TriggerSection } from "./trigger-section";
import { useAgent, useSettings, useSettingsForm } from "./use-settings";
import { WidgetSection } from "./widget-section";

const route = getRouteApi("/session/shell/settings/escalations");

export function SettingsScreen() {
  const { agent: wanted } = route.useSearch();
  const { agent, agents, error } = useAgent(wanted);
  return (
    <Page
      title="Escalation rules"
      lead="When a person is asked, how fast an answer is due, and who hears of it."
      actions={<AgentPicker agents={agents} agent={agent} to="/settings/escalations" />}
    >
      {agent ? (
        <Load key={agent.id} agentId={agent.id} />
      ) : error ? (
        <ErrorState error={error} />
      ) : (
        <SkeletonLines />
      )}
    </Page>
  );
}

function Load({ agentId }: { agentId: string }) {
  const { data, error, refetch } = useSettings(agentId);
  if (data) {
    return <Form saved={data.escalationSettings} />;
  }
  return error ? <ErrorState error={error} onRetry={refetch} /> : <SkeletonLines lines={10} />;
}

export interface SectionProps {
  settings: Settings;
  edit(settings: Settings): void;
  disabled: boolean;
  errorAt(path: string): string | undefined;
}

function Form({ saved }: { saved: Settings }) {
  const form = useSettingsForm(saved);
  const mayWrite = useMay("SETTINGS_WRITE");
  const errorAt = (path: string) =>
    form.error?.field?.startsWith(`input.${path}`) ? form.error.message : undefined;
  const props: SectionProps = { settings: form.settings, edit: form.edit, disabled: !mayWrite, errorAt };
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        form.save();
      }}
    >
      {!mayWrite && <Banner>You may read these settings. An admin can change them.</Banner>}
      <ThresholdSection {...props} />
      <TriggerSection {...props} />
      <AiSection {...props} />
      <SlaSection {...props} />
      <HoursSection {...props} />
      <EmailSection {...props} />
      <WidgetSection {...props} />
      <RetentionSection {...props} />
      {(form.dirty || form.conflict) && (
        <div className={styles.saveBar}>
          {form.conflict && <Conflict form={form} />}
          {form.error && <Banner tone="danger">Not saved. {form.error.message}</Banner>}
          <div className={styles.saveRow}>
            <span>
              {form.changes.size} {form.changes.size === 1 ? "change" : "changes"} not saved
            </span>
            <Button onPress={form.discard} isDisabled={form.saving}>
              Discard
            </Button>
            <Button look="primary" type="submit" isDisabled={form.saving || Boolean(form.conflict)}>
              {form.saving ? "Saving…" : "Save"}
            </Button>
          </div>
        </div>
      )}
    </form>
  );
}

function Conflict({ form }: { form: ReturnType<typeof useSettingsForm> }) {
  const rows = form.conflict?.collisions ?? [];
  return (
    <Banner
      tone="warn"
      actions={
        <>
          <Button onPress={form.takeMine}>Keep my changes</Button>
          <Button onPress={form.discard}>Use theirs</Button>
        </>
      }
    >
      <strong>A colleague has saved these settings meanwhile.</strong>{" "}
      {rows.length ? "You both changed:" : "None of your fields is affected."}
      <ul>
        {rows.map(({ path, mine, theirs }) => (
          <li key={path}>
            {path}: yours {brief(mine)}, theirs {brief(theirs)}
          </li>
        ))}
      </ul>
    </Banner>
  );
}

function brief(value: unknown): string {
  const text = typeof value === "string" ? `“${value}”` : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
