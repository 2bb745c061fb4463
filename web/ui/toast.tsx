/** Short notices at the bottom of the page. A notice stays while the pointer or the focus is on it. */

import { useEffect, useRef, useSyncExternalStore } from "react";
import { restoreFocus } from "./focus";
import styles from "./ui.module.css";

export interface ToastOptions {
  tone?: "neutral" | "danger";
  action?: { text: string; run(): void };
  /** Milliseconds until it goes. */
  duration?: number;
  /** Called when the notice closes and its action was not chosen. */
  onClose?(): void;
}

interface Toast extends ToastOptions {
  id: number;
  text: string;
}

let toasts: readonly Toast[] = [];
let nextId = 1;
const timers = new Map<number, ReturnType<typeof setTimeout>>();
const listeners = new Set<() => void>();
/** Notices with the pointer or the focus on them. */
const held = new Set<number>();
const MOST = 3;

function set(next: readonly Toast[]) {
  toasts = next;
  for (const listener of listeners) {
    listener();
  }
}

function remove(id: number): Toast | undefined {
  const toast = toasts.find((candidate) => candidate.id === id);
  clearTimeout(timers.get(id));
  timers.delete(id);
  held.delete(id);
  set(toasts.filter((candidate) => candidate !== toast));
  return toast;
}

/** Close a notice. */
export function dismissToast(id: number) {
  remove(id)?.onClose?.();
}

function act(id: number) {
  remove(id)?.action?.run();
  restoreFocus();
}

function start(toast: Toast) {
  clearTimeout(timers.get(toast.id));
  if (toasts.includes(toast)) {
    timers.set(
      toast.id,
      setTimeout(() => dismissToast(toast.id), toast.duration ?? 6_000),
    );
  }
}

function hold(id: number) {
  held.add(id);
  clearTimeout(timers.get(id));
}

function release(toast: Toast) {
  held.delete(toast.id);
  start(toast);
}

/** Show a notice and return its id. Of more than three, the oldest that nobody holds closes. */
export function showToast(text: string, options: ToastOptions = {}): number {
  const toast = { ...options, text, id: nextId++ };
  set([...toasts, toast]);
  start(toast);
  const free = toasts.filter((candidate) => candidate !== toast && !held.has(candidate.id));
  for (const candidate of free.slice(0, Math.max(0, toasts.length - MOST))) {
    dismissToast(candidate.id);
  }
  return toast.id;
}

export function showError(error: unknown) {
  showToast(error instanceof Error && error.message ? error.message : "The server did not answer.", {
    tone: "danger",
    duration: 10_000,
  });
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <section className={styles.toasts} aria-label="Notices" aria-live="polite" role="status">
      {shown.map((toast) => (
        <Notice key={toast.id} toast={toast} />
      ))}
    </section>
  );
}

function Notice({ toast }: { toast: Toast }) {
  const on = useRef({ pointer: false, focus: false });
  // What is no longer shown is not held.
  useEffect(() => () => release(toast), [toast]);

  function change(what: "pointer" | "focus", here: boolean) {
    on.current[what] = here;
    if (on.current.pointer || on.current.focus) {
      hold(toast.id);
    } else {
      release(toast);
    }
  }

  return (
    <div
      className={styles.toast}
      data-tone={toast.tone}
      onPointerEnter={() => change("pointer", true)}
      onPointerLeave={() => change("pointer", false)}
      onFocus={() => change("focus", true)}
      onBlur={() => change("focus", false)}
    >
      <span>{toast.text}</span>
      {toast.action && (
        <button type="button" onClick={() => act(toast.id)}>
          {toast.action.text}
        </button>
      )}
    </div>
  );
}
