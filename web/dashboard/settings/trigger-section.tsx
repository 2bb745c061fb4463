/** The section of the settings form for triggers and topics. */

import type { Priority } from "../../gql/operations";
import { Button, IconButton } from "../../ui/button";
import { NumberField, Select, Switch, TextField } from "../../ui/field";
import { useRows } from "../../ui/rows";
import { PRIORITIES, PRIORITY } from "../words";
import type { Settings } from "./form";
import { CommasField, LinesField } from "./lines-field";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

const nameOf = (topic: Settings["triggers"]["topics"][number]) => `the topic ${topic.name}`.trimEnd();

export function TriggerSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { triggers } = settings;
  const set = (values: Partial<Settings["triggers"]>) =>
    edit({ ...settings, triggers: { ...triggers, ...values } });
  const topics = useRows(triggers.topics, (topics) => set({ topics }));
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
          <div key={topics.keyOf(index)} className={styles.topic} role="group" aria-label={nameOf(topic)}>
            <TextField
              label="Name"
              value={topic.name}
              disabled={disabled}
              onChange={(event) => topics.change(index, { name: event.target.value })}
            />
            <Select
              label="Priority"
              value={topic.priority ?? ""}
              disabled={disabled}
              onValue={(priority) => topics.change(index, { priority: priority || null })}
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
              onValue={(keywords) => topics.change(index, { keywords })}
            />
            <CommasField
              label="Intents of the AI"
              value={topic.intents}
              disabled={disabled}
              onValue={(intents) => topics.change(index, { intents })}
            />
            {!disabled && (
              <IconButton
                label={`Remove ${nameOf(topic)}`}
                icon="trash"
                onPress={(press) => topics.remove(index, nameOf(topic), press)}
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
