/** The sections of the settings form, but the threshold and the business hours. */

import { type ButtonVisibility, type Priority, SendTestDocument } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { NumberField, Select, Switch, TextArea, TextField } from "../../ui/field";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { PRIORITIES, PRIORITY } from "../words";
import type { Settings } from "./form";
import { LinesField } from "./lines-field";
import { renderConfirmation } from "./preview";
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

export function TriggerSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { triggers } = settings;
  const set = (values: Partial<Settings["triggers"]>) =>
    edit({ ...settings, triggers: { ...triggers, ...values } });
  const setTopic = (index: number, values: Partial<Settings["triggers"]["topics"][number]>) =>
    set({ topics: triggers.topics.map((topic, at) => (at === index ? { ...topic, ...values } : topic)) });
  return (
    <SettingsSection title="Triggers" lead="What else hands a conversation to the team.">
      <Switch
        checked={triggers.phrasesEnabled}
        disabled={disabled}
        onValue={(phrasesEnabled) => set({ phrasesEnabled })}
        hint="“Can I talk to someone?” and the like, in English."
      >
        Customers who ask for a person in words
      </Switch>
      <LinesField
        label="Phrases of your own"
        hint="One a line, in any language."
        value={triggers.extraPhrases}
        disabled={disabled}
        error={errorAt("triggers.extraPhrases")}
        onValue={(extraPhrases) => set({ extraPhrases })}
      />
      <NumberField
        label="Failures of a critical tool in a row"
        min={1}
        value={triggers.toolFailureLimit}
        disabled={disabled}
        error={errorAt("triggers.toolFailureLimit")}
        onValue={(toolFailureLimit) => set({ toolFailureLimit })}
      />
      <fieldset className={styles.list}>
        <legend>Topics</legend>
        {triggers.topics.map((topic, index) => (
          // A topic has no id: its place in the list is its identity.
          <div key={index} className={styles.topic}>
            <TextField
              label="Name"
              value={topic.name}
              disabled={disabled}
              onChange={(event) => setTopic(index, { name: event.target.value })}
            />
            <Select
              label="Priority"
              value={topic.priority ?? ""}
              disabled={disabled}
              onValue={(priority) => setTopic(index, { priority: priority || null })}
              options={
                [
                  ["", "Default"] as const,
                  ...PRIORITIES.map((value) => [value, PRIORITY[value]] as const),
                ] as [Priority | "", string][]
              }
            />
            <TextField
              label="Words in the message"
              hint="Separated by commas"
              value={topic.keywords.join(", ")}
              disabled={disabled}
              onChange={(event) => setTopic(index, { keywords: splitCommas(event.target.value) })}
            />
            <TextField
              label="Intents of the AI"
              hint="Separated by commas"
              value={topic.intents.join(", ")}
              disabled={disabled}
              onChange={(event) => setTopic(index, { intents: splitCommas(event.target.value) })}
            />
            {!disabled && (
              <IconButton
                label={`Remove the topic ${topic.name}`}
                icon="trash"
                onPress={() => set({ topics: triggers.topics.filter((_, at) => at !== index) })}
              />
            )}
          </div>
        ))}
        {!disabled && (
          <Button
            icon="plus"
            onPress={() =>
              set({ topics: [...triggers.topics, { name: "", keywords: [], intents: [], priority: null }] })
            }
          >
            Add a topic
          </Button>
        )}
      </fieldset>
    </SettingsSection>
  );
}

/** Split at commas. A comma at the end stays while the next word is typed. */
function splitCommas(text: string): string[] {
  const parts = text.split(",").map((part) => part.trimStart());
  return parts
    .filter((part, index) => part || index === parts.length - 1)
    .filter((part, index) => part || index > 0);
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
              placeholder={String(sla.targetResponseMinutes)}
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

const VISIBILITY: [ButtonVisibility, string][] = [
  ["ALWAYS", "Always"],
  ["AFTER_THRESHOLD", "After some messages, or an unsure reply"],
  ["NEVER", "Never"],
];

export function WidgetSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { widget } = settings;
  const set = (values: Partial<Settings["widget"]>) =>
    edit({ ...settings, widget: { ...widget, ...values } });
  const setTexts = (index: number, values: Partial<Settings["widget"]["texts"][number]>) =>
    set({ texts: widget.texts.map((texts, at) => (at === index ? { ...texts, ...values } : texts)) });
  return (
    <SettingsSection title="Chat widget" lead="What customers see, and which sites may embed it.">
      <div className={styles.grid}>
        <Select
          label="“Talk to a human” button"
          value={widget.buttonVisibility}
          disabled={disabled}
          onValue={(buttonVisibility) => set({ buttonVisibility })}
          options={VISIBILITY}
        />
        <NumberField
          label="Messages before it shows"
          min={0}
          value={widget.buttonAfterMessages}
          disabled={disabled || widget.buttonVisibility !== "AFTER_THRESHOLD"}
          onValue={(buttonAfterMessages) => set({ buttonAfterMessages })}
        />
        <TextField
          label="Button text"
          value={widget.buttonText}
          disabled={disabled}
          error={errorAt("widget.buttonText")}
          onChange={(event) => set({ buttonText: event.target.value })}
        />
      </div>
      <TextArea
        label="Confirmation message"
        hint="{response_time} and {business_hours} are filled in."
        value={widget.confirmationMessage}
        disabled={disabled}
        error={errorAt("widget.confirmationMessage")}
        onChange={(event) => set({ confirmationMessage: event.target.value })}
      />
      <figure className={styles.preview}>
        <figcaption>The customer reads</figcaption>
        <p>{renderConfirmation(widget.confirmationMessage, settings.sla)}</p>
      </figure>
      <TextArea
        label="When a person takes over"
        hint="Empty posts nothing."
        rows={2}
        value={widget.takenOverMessage}
        disabled={disabled}
        onChange={(event) => set({ takenOverMessage: event.target.value })}
      />
      <TextArea
        label="When the AI answers again"
        hint="Empty posts nothing."
        rows={2}
        value={widget.handedBackMessage}
        disabled={disabled}
        onChange={(event) => set({ handedBackMessage: event.target.value })}
      />
      <TextField
        label="Greeting in an empty widget"
        value={widget.greeting ?? ""}
        disabled={disabled}
        onChange={(event) => set({ greeting: event.target.value || null })}
      />
      <LinesField
        label="Sites that may embed the widget"
        hint="One origin a line, such as https://shop.example"
        value={widget.allowedOrigins}
        disabled={disabled}
        error={errorAt("widget.allowedOrigins")}
        onValue={(allowedOrigins) => set({ allowedOrigins })}
      />
      <Switch
        checked={widget.anonymousConversations}
        disabled={disabled}
        onValue={(anonymousConversations) => set({ anonymousConversations })}
        hint="Otherwise a conversation needs a signed identity."
      >
        Visitors without an identity may start conversations
      </Switch>
      <fieldset className={styles.list}>
        <legend>Texts in other languages</legend>
        {widget.texts.map((texts, index) => (
          <details key={index} className={styles.language}>
            <summary>{texts.language || "New language"}</summary>
            <TextField
              label="Language"
              hint="Such as de or pt-BR"
              value={texts.language}
              disabled={disabled}
              onChange={(event) => setTexts(index, { language: event.target.value })}
            />
            {(
              [
                "buttonText",
                "greeting",
                "confirmationMessage",
                "takenOverMessage",
                "handedBackMessage",
              ] as const
            ).map((name) => (
              <TextField
                key={name}
                label={LANGUAGE_FIELDS[name]}
                value={texts[name] ?? ""}
                disabled={disabled}
                onChange={(event) => setTexts(index, { [name]: event.target.value || null })}
              />
            ))}
            {!disabled && (
              <Button
                look="quiet"
                icon="trash"
                onPress={() => set({ texts: widget.texts.filter((_, at) => at !== index) })}
              >
                Remove {texts.language}
              </Button>
            )}
          </details>
        ))}
        {!disabled && (
          <Button
            icon="plus"
            onPress={() =>
              set({
                texts: [
                  ...widget.texts,
                  {
                    language: "",
                    buttonText: null,
                    confirmationMessage: null,
                    takenOverMessage: null,
                    handedBackMessage: null,
                    greeting: null,
                  },
                ],
              })
            }
          >
            Add a language
          </Button>
        )}
      </fieldset>
    </SettingsSection>
  );
}

const LANGUAGE_FIELDS = {
  buttonText: "Button text",
  greeting: "Greeting",
  confirmationMessage: "Confirmation message",
  takenOverMessage: "When a person takes over",
  handedBackMessage: "When the AI answers again",
} as const;
