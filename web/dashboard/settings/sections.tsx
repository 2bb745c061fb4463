/** The sections of the settings form for the AI, the first response and email. */

import { type Priority, SendTestDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge } from "../../ui/feedback";
import { NumberField, Select, Switch } from "../../ui/field";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { PRIORITIES, PRIORITY } from "../words";
import type { Settings } from "./form";
import { LinesField } from "./lines-field";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

export async function sendTest(agentId: string, channel: "EMAIL" | "SLACK" | "WEBHOOK") {
  try {
    const { sendTestNotification } = await execute(SendTestDocument, { agentId, channel });
    const count = sendTestNotification?.length ?? 0;
    showToast(
      count
        ? `Sending ${count === 1 ? "a sample" : `${count} samples`}. Deliveries shows how it went.`
        : "Nobody would receive it.",
    );
  } catch (error) {
    showError(error);
  }
}

export function AiSection({ settings, edit, disabled }: SectionProps) {
  return (
    <SettingsSection title="Back to the AI" lead="When the AI answers again after people had control.">
      <Select
        label="The AI resumes"
        value={settings.ai.resumeOn}
        disabled={disabled}
        onValue={(resumeOn) => edit({ ...settings, ai: { resumeOn } })}
        options={[
          ["RESOLUTION", "When the escalation is resolved"],
          ["HUMAN_REPLY", "After the first reply by a person"],
          ["MANUAL", "Only when a team member hands it back"],
        ]}
      />
    </SettingsSection>
  );
}

export function SlaSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { sla } = settings;
  const set = (values: Partial<Settings["sla"]>) => edit({ ...settings, sla: { ...sla, ...values } });
  const setTarget = (priority: Priority, minutes: number) => {
    const others = sla.targetsByPriority.filter((target) => target.priority !== priority);
    set({
      targetsByPriority: Number.isNaN(minutes)
        ? others
        : [...others, { priority, targetResponseMinutes: minutes }],
    });
  };
  return (
    <SettingsSection
      title="First response"
      lead="Targets count business time, from the moment a person is asked."
    >
      <div className={styles.grid}>
        <NumberField
          label="Target in minutes"
          min={1}
          value={sla.targetResponseMinutes}
          disabled={disabled}
          error={errorAt("sla.targetResponseMinutes")}
          onValue={(targetResponseMinutes) => set({ targetResponseMinutes })}
        />
        <NumberField
          label="At risk after, in %"
          min={1}
          max={99}
          value={sla.atRiskPercent}
          disabled={disabled}
          error={errorAt("sla.atRiskPercent")}
          onValue={(atRiskPercent) => set({ atRiskPercent })}
        />
        <Select
          label="Default priority"
          value={sla.defaultPriority}
          disabled={disabled}
          onValue={(defaultPriority) => set({ defaultPriority })}
          options={PRIORITIES.map((value) => [value, PRIORITY[value]] as const)}
        />
      </div>
      <fieldset className={styles.list}>
        <legend>Targets of single priorities, in minutes</legend>
        <div className={styles.grid}>
          {PRIORITIES.map((priority) => (
            <NumberField
              key={priority}
              label={PRIORITY[priority]}
              min={1}
              optional
              placeholder={Number.isNaN(sla.targetResponseMinutes) ? "" : String(sla.targetResponseMinutes)}
              value={
                sla.targetsByPriority.find((target) => target.priority === priority)?.targetResponseMinutes ??
                Number.NaN
              }
              disabled={disabled}
              onValue={(minutes) => setTarget(priority, minutes)}
            />
          ))}
        </div>
      </fieldset>
    </SettingsSection>
  );
}

export function EmailSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { email } = settings.notifications;
  const set = (values: Partial<typeof email>) =>
    edit({ ...settings, notifications: { ...settings.notifications, email: { ...email, ...values } } });
  return (
    <SettingsSection
      title="Email"
      lead={
        email.connected ? "The server can send mail." : "The server has no mail server: set BATON_SMTP_URL."
      }
    >
      <Switch checked={email.enabled} disabled={disabled} onValue={(enabled) => set({ enabled })}>
        Notify by email
      </Switch>
      <LinesField
        label="Recipients"
        hint="One address a line."
        value={email.recipients}
        disabled={disabled}
        error={errorAt("notifications.email.recipients")}
        onValue={(recipients) => set({ recipients })}
      />
      <Unconfirmed addresses={email.unconfirmedRecipients.filter((one) => email.recipients.includes(one))} />
      <Switch
        checked={email.includeTranscript}
        disabled={disabled}
        onValue={(includeTranscript) => set({ includeTranscript })}
      >
        Include the conversation
      </Switch>
      <Select
        label="How often"
        value={email.frequency}
        disabled={disabled}
        onValue={(frequency) => set({ frequency })}
        options={[
          ["IMMEDIATE", "Immediately"],
          ["HOURLY_DIGEST", "One digest an hour"],
        ]}
      />
      {!disabled && (
        <div>
          <Button icon="send" onPress={() => sendTest(settings.agentId, "EMAIL")}>
            Send a test email
          </Button>
        </div>
      )}
    </SettingsSection>
  );
}

function Unconfirmed({ addresses }: { addresses: string[] }) {
  return (
    addresses.length > 0 && (
      <div>
        <p>
          These addresses get no notifications before they are confirmed by the link in a mail. A test email
          sends the link again, at most once a day.
        </p>
        <ul>
          {addresses.map((address) => (
            <li key={address}>
              {address} <Badge tone="warn">Unconfirmed</Badge>
            </li>
          ))}
        </ul>
      </div>
    )
  );
}
