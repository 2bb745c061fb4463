/** A list of texts, one a line. */

import { type ReactNode, useEffect, useState } from "react";
import { TextArea } from "../../ui/field";
import { toLines } from "./section";

export interface LinesFieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  value: readonly string[];
  disabled?: boolean;
  onValue(lines: string[]): void;
}

export function LinesField({ value, onValue, ...rest }: LinesFieldProps) {
  const joined = value.join("\n");
  const [text, setText] = useState(joined);
  useEffect(() => {
    // Empty lines are typed on the way to the next entry.
    setText((old) => (toLines(old).join("\n") === joined ? old : joined));
  }, [joined]);
  return (
    <TextArea
      {...rest}
      rows={Math.max(2, value.length + 1)}
      value={text}
      onChange={(event) => {
        setText(event.target.value);
        onValue(toLines(event.target.value));
      }}
    />
  );
}
