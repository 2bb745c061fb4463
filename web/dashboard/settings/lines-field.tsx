/** Lists of texts in one field: one a line, or separated by commas. */

import { type ReactNode, useEffect, useState } from "react";
import { TextArea, TextField } from "../../ui/field";
import { toParts } from "./section";

export interface LinesFieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  value: readonly string[];
  disabled?: boolean;
  onValue(parts: string[]): void;
}

/** Return the text of the field, and what sets it. Empty parts are typed on the way to the next entry. */
function useParts(value: readonly string[], separator: string, between: string) {
  const joined = value.join(between);
  const [text, setText] = useState(joined);
  useEffect(() => {
    setText((old) => (toParts(old, separator).join(between) === joined ? old : joined));
  }, [joined, separator, between]);
  return [text, setText] as const;
}

export function LinesField({ value, onValue, ...rest }: LinesFieldProps) {
  const [text, setText] = useParts(value, "\n", "\n");
  return (
    <TextArea
      {...rest}
      rows={Math.max(2, value.length + 1)}
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onValue(toParts(event.target.value, "\n"));
      }}
    />
  );
}

export function CommasField({ value, onValue, ...rest }: LinesFieldProps) {
  const [text, setText] = useParts(value, ",", ", ");
  return (
    <TextField
      {...rest}
      hint="Separated by commas"
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onValue(toParts(event.target.value, ","));
      }}
    />
  );
}
