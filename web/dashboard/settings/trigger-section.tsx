/** The section of the settings form for triggers and topics. */

import type { Priority } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { NumberField, Select, Switch, TextField } from "../../ui/field";
import { PRIORITIES, PRIORITY } from "../words";
import type { Settings } from "./form";
import { CommasField, LinesField } from "./lines-field";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

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
            <CommasField
              label="Words in the message"
              value={topic.keywords}
              disabled={disabled}
              onValue={(keywords) => setTopic(index, { keywords })}
            />
            <CommasField
              label="Intents of the AI"
              value={topic.intents}
              disabled={disabled}
              onValue={(intents) => setTopic(index, { intents })}
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
