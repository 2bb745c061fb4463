/** Badges, and what a screen shows while it has nothing else to show. */

import type { CSSProperties, ReactNode } from "react";
import { Button } from "./button";
import { Icon, type IconName } from "./icon";
import styles from "./ui.module.css";

export type Tone = "neutral" | "accent" | "ok" | "warn" | "danger";

export function Badge({
  tone = "neutral",
  icon,
  children,
}: {
  tone?: Tone;
  icon?: IconName;
  children: ReactNode;
}) {
  return (
    <span className={styles.badge} data-tone={tone}>
      {icon && <Icon name={icon} size={12} />}
      {children}
    </span>
  );
}

export function Banner({
  tone = "neutral",
  children,
  actions,
}: {
  tone?: Tone;
  children: ReactNode;
  actions?: ReactNode;
}) {
  return (
    <div
      className={styles.banner}
      data-tone={tone}
      role={tone === "danger" || tone === "warn" ? "alert" : "status"}
    >
      <div>{children}</div>
      {actions}
    </div>
  );
}

export function EmptyState({
  icon,
  title,
  children,
}: {
  icon: IconName;
  title: string;
  children?: ReactNode;
}) {
  return (
    <div className={styles.state}>
      <Icon name={icon} size={24} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

interface ErrorStateProps {
  error: unknown;
  onRetry?(): unknown;
  /** It is tried again without a press, too. */
  repeats?: boolean;
}

export function ErrorState({ error, onRetry, repeats = false }: ErrorStateProps) {
  return (
    <div className={styles.state} role="alert">
      <Icon name="warning" size={24} />
      <h2>This could not be loaded</h2>
      <p>{error instanceof Error && error.message ? error.message : "The server did not answer."}</p>
      {repeats && <p>The page tries again by itself.</p>}
      {onRetry && (
        <Button icon="refresh" onPress={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function Skeleton({ width = "100%", height = 12 }: { width?: number | string; height?: number }) {
  return <div className={styles.skeleton} style={{ width, height }} />;
}

/** Grey lines in the place of content that loads. Screen readers hear “Loading”. */
export function SkeletonLines({ lines = 6, height = 14 }: { lines?: number; height?: number }) {
  return (
    <div role="status" aria-label="Loading" style={{ display: "grid", gap: 18, padding: 16 }}>
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={height} width={`${60 + ((index * 37) % 40)}%`} />
      ))}
    </div>
  );
}

export function Avatar({ name }: { name: string }) {
  const initials = name
    .split(/\s+/)
    .map((word) => word[0] ?? "")
    .slice(0, 2)
    .join("")
    .toUpperCase();
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return (
    <span className={styles.avatar} style={{ "--hue": hue } as CSSProperties} aria-hidden="true">
      {initials}
    </span>
  );
}

export function VisuallyHidden({ children }: { children: ReactNode }) {
  return <span className={styles.visuallyHidden}>{children}</span>;
}
