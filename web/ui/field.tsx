/** Form controls. They are the browser's own: labelled, readable by assistive technology, and right on phones. */

import { type ComponentProps, type ReactNode, useId, useState } from "react";
import styles from "./ui.module.css";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  /** The label is for screen readers only. */
  hideLabel?: boolean;
}

function useField({ label, hint, error, hideLabel }: FieldProps) {
  const id = useId();
  const describedBy = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const frame = (control: ReactNode) => (
    <div className={styles.field}>
      <label className={hideLabel ? styles.visuallyHidden : styles.label} htmlFor={id}>
        {label}
      </label>
      {control}
      {hint && (
        <span id={`${id}-hint`} className={styles.hint}>
          {hint}
        </span>
      )}
      {error && (
        <span id={`${id}-error`} className={styles.error} role="alert">
          {error}
        </span>
      )}
    </div>
  );
  const control = {
    id,
    className: styles.input,
    "aria-describedby": describedBy,
    "aria-invalid": error ? (true as const) : undefined,
  };
  return { control, frame };
}

export function TextField({ label, hint, error, hideLabel, ...rest }: FieldProps & ComponentProps<"input">) {
  const { control, frame } = useField({ label, hint, error, hideLabel: hideLabel ?? false });
  return frame(<input type="text" autoComplete="off" {...rest} {...control} />);
}

export function TextArea({
  label,
  hint,
  error,
  hideLabel,
  ...rest
}: FieldProps & ComponentProps<"textarea">) {
  const { control, frame } = useField({ label, hint, error, hideLabel: hideLabel ?? false });
  return frame(<textarea rows={3} {...rest} {...control} />);
}

/** A whole number. NaN is an empty field, or one whose text is no number; it is an error unless `optional`. */
export function NumberField({
  label,
  hint,
  error,
  hideLabel,
  value,
  onValue,
  optional = false,
  ...rest
}: FieldProps &
  Omit<ComponentProps<"input">, "value" | "min" | "max"> & {
    value: number;
    min: number;
    max?: number;
    optional?: boolean;
    onValue(value: number): void;
  }) {
  const [isText, setIsText] = useState(false);
  const fault = rest.disabled ? undefined : numberFault(value, rest.min, rest.max, optional && !isText);
  const { control, frame } = useField({ label, hint, error: fault ?? error, hideLabel: hideLabel ?? false });
  return frame(
    <input
      type="number"
      required={!optional}
      {...rest}
      {...control}
      value={Number.isNaN(value) ? "" : value}
      onChange={(event) => {
        setIsText(event.target.validity.badInput);
        onValue(event.target.valueAsNumber);
      }}
    />,
  );
}

/** Return what is wrong with a number. The browser refuses to submit the same ones. */
function numberFault(value: number, min: number, max = Number.POSITIVE_INFINITY, mayBeEmpty = false) {
  if (Number.isNaN(value)) {
    return mayBeEmpty ? undefined : "Enter a number.";
  }
  if (!Number.isInteger(value)) {
    return "Enter a whole number.";
  }
  return value < min ? `Enter ${min} or more.` : value > max ? `Enter ${max} or less.` : undefined;
}

export function Select<T extends string>({
  label,
  hint,
  error,
  hideLabel,
  options,
  value,
  onValue,
  ...rest
}: FieldProps &
  Omit<ComponentProps<"select">, "value"> & {
    options: readonly (readonly [T, string])[];
    value: T;
    onValue(value: T): void;
  }) {
  const { control, frame } = useField({ label, hint, error, hideLabel: hideLabel ?? false });
  return frame(
    <select {...rest} {...control} value={value} onChange={(event) => onValue(event.target.value as T)}>
      {options.map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </select>,
  );
}

interface ToggleProps extends Omit<ComponentProps<"input">, "type" | "onChange"> {
  children: ReactNode;
  hint?: ReactNode;
  onValue(checked: boolean): void;
}

export function Checkbox({ children, hint, onValue, ...rest }: ToggleProps) {
  return <Toggle className={styles.check} hint={hint} onValue={onValue} {...rest} text={children} />;
}

export function Switch({ children, hint, onValue, ...rest }: ToggleProps) {
  return (
    <Toggle className={styles.switch} role="switch" hint={hint} onValue={onValue} {...rest} text={children} />
  );
}

function Toggle({
  className,
  text,
  hint,
  onValue,
  ...rest
}: Omit<ToggleProps, "children"> & { text: ReactNode; className: string | undefined }) {
  const id = useId();
  return (
    <label className={className}>
      <input
        type="checkbox"
        aria-labelledby={`${id}-text`}
        aria-describedby={hint ? `${id}-hint` : undefined}
        {...rest}
        onChange={(event) => onValue(event.target.checked)}
      />
      <span>
        <span id={`${id}-text`}>{text}</span>
        {hint && (
          <span id={`${id}-hint`} className={styles.hint} style={{ display: "block" }}>
            {hint}
          </span>
        )}
      </span>
    </label>
  );
}
