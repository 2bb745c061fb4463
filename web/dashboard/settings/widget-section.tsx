/** The section of the settings form for the chat widget. */

import type { ButtonVisibility } from "../../gql/operations";
import { Button } from "../../ui/button";
import { NumberField, Select, Switch, TextArea, TextField } from "../../ui/field";
import { useRows } from "../../ui/rows";
import type { Settings } from "./form";
import { LanguageTexts } from "./language-texts";
import { LinesField } from "./lines-field";
import { renderConfirmation } from "./preview";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

const VISIBILITY: [ButtonVisibility, string][] = [
  ["ALWAYS", "Always"],
  ["AFTER_THRESHOLD", "After some messages, or an unsure reply"],
  ["NEVER", "Never"],
];

export function WidgetSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { widget } = settings;
  const set = (values: Partial<Settings["widget"]>) =>
    edit({ ...settings, widget: { ...widget, ...values } });
  const languages = useRows(widget.texts, (texts) => set({ texts }));
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
          error={errorAt("widget.buttonAfterMessages")}
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
        error={errorAt("widget.takenOverMessage")}
        onChange={(event) => set({ takenOverMessage: event.target.value })}
      />
      <TextArea
        label="When the AI answers again"
        hint="Empty posts nothing."
        rows={2}
        value={widget.handedBackMessage}
        disabled={disabled}
        error={errorAt("widget.handedBackMessage")}
        onChange={(event) => set({ handedBackMessage: event.target.value })}
      />
      <TextField
        label="Greeting in an empty widget"
        value={widget.greeting ?? ""}
        disabled={disabled}
        error={errorAt("widget.greeting")}
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
          <LanguageTexts
            key={languages.keyOf(index)}
            texts={texts}
            sla={settings.sla}
            disabled={disabled}
            errorAt={(name) => errorAt(`widget.texts.${index}.${name}`)}
            onChange={(values) => languages.change(index, values)}
            onRemove={(press) => languages.remove(index, texts.language || "the language", press)}
          />
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
