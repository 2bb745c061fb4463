/** A message's text with the shared subset of Markdown, as React elements. */

import { createElement, type ReactNode, useMemo } from "react";
import { formatMarkdown } from "../../text/markdown";
import styles from "./escalation.module.css";

export function Markdown({ text }: { text: string }) {
  const blocks = useMemo(
    () =>
      formatMarkdown<ReactNode>(text, (tag, children, href) =>
        createElement(tag, href ? { href, target: "_blank", rel: "noreferrer noopener" } : null, ...children),
      ),
    [text],
  );
  return (
    <div className={styles.text} dir="auto">
      {createElement("div", null, ...blocks)}
    </div>
  );
}
