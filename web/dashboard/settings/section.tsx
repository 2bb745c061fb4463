/** One block of a settings form: its name and purpose on the left, its fields on the right. */

import type { ReactNode } from "react";
import styles from "./settings.module.css";

export function SettingsSection({
  title,
  lead,
  children,
}: {
  title: string;
  lead: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className={styles.section} aria-label={title}>
      <header>
        <h2>{title}</h2>
        <p>{lead}</p>
      </header>
      <div className={styles.fields}>{children}</div>
    </section>
  );
}

/** Return the parts of a text between separators, without empty ones. */
export function toParts(text: string, separator: string): string[] {
  return text
    .split(separator)
    .map((part) => part.trim())
    .filter(Boolean);
}
