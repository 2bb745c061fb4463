/** The texts for customers in one language. */

import { Fragment, lazy, Suspense, useEffect, useRef } from "react";
import type { PressEvent } from "react-aria-components";
import { Button } from "../../ui/button";
import { TextArea, TextField } from "../../ui/field";
import { loadPart } from "../lazy-part";
import type { Settings } from "./form";
import styles from "./settings.module.css";

const loadPreview = loadPart(() => import("./language-preview"), "LanguagePreview");
const LanguagePreview = lazy(async () => ({ default: (await loadPreview()).LanguagePreview }));

type Texts = Settings["widget"]["texts"][number];

const FIELDS = {
  language: "Language",
  buttonText: "Button text",
  greeting: "Greeting",
  confirmationMessage: "Confirmation message",
  takenOverMessage: "When a person takes over",
  handedBackMessage: "When the AI answers again",
} as const;
type Name = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Name[];

const LONG = new Set<Name>(["confirmationMessage", "takenOverMessage", "handedBackMessage"]);
const HINTS: Partial<Record<Name, string>> = {
  language: "Such as de or pt-BR",
  confirmationMessage: "{response_time} and {business_hours} are filled in.",
};

interface LanguageTextsProps {
  texts: Texts;
  sla: Settings["sla"];
  disabled: boolean;
  errorAt(name: Name): string | undefined;
  onChange(values: Partial<Texts>): void;
  onRemove(press: PressEvent): void;
}

export function LanguageTexts({ texts, sla, disabled, errorAt, onChange, onRemove }: LanguageTextsProps) {
  const details = useRef<HTMLDetailsElement>(null);
  const isNew = useRef(!texts.language);
  const hasError = NAMES.some((name) => errorAt(name));
  useEffect(() => {
    if (details.current && (isNew.current || hasError)) {
      details.current.open = true;
    }
    if (isNew.current) {
      details.current?.querySelector("input")?.focus();
      isNew.current = false;
    }
  }, [hasError]);
  return (
    <details ref={details} className={styles.language}>
      <summary>{texts.language || "New language"}</summary>
      <div>
        {NAMES.map((name) => {
          const Field = LONG.has(name) ? TextArea : TextField;
          return (
            <Fragment key={name}>
              <Field
                label={FIELDS[name]}
                hint={HINTS[name]}
                value={texts[name] ?? ""}
                disabled={disabled}
                error={errorAt(name)}
                rows={LONG.has(name) ? 2 : undefined}
                onChange={({ target }: { target: { value: string } }) =>
                  onChange({ [name]: target.value || (name === "language" ? "" : null) })
                }
              />
              {name === "confirmationMessage" && texts.confirmationMessage && (
                <Suspense>
                  <LanguagePreview template={texts.confirmationMessage} language={texts.language} sla={sla} />
                </Suspense>
              )}
            </Fragment>
          );
        })}
        {!disabled && (
          <Button look="quiet" icon="trash" onPress={onRemove}>
            Remove {texts.language}
          </Button>
        )}
      </div>
    </details>
  );
}
