/** Short notices at the bottom of the page. A notice stays while the pointer or the focus is on it. */

import { useSyncExternalStore } from "react";
import styles from "./ui.module.css";

export interface ToastOptions {
  tone?: "neutral" | "danger";
  action?: { text: string; run(): void };
  /** Milliseconds until it goes. */
  duration?: number;
}

interface Toast extends ToastOptions {
  id: number;
  text: string;
}

let toasts: readonly Toast[] = [];
let nextId = 1;
const timers = new Map<number, ReturnType<typeof setTimeout>>();
const listeners = new Set<() => void>();

function set(next: readonly Toast[]) {
  toasts = next;
  for (const listener of listeners) {
    listener();
  }
}

export function dismissToast(id: number) {
  clearTimeout(timers.get(id));
  timers.delete(id);
  set(toasts.filter((toast) => toast.id !== id));
}

function start(toast: Toast) {
  clearTimeout(timers.get(toast.id));
  timers.set(
    toast.id,
    setTimeout(() => dismissToast(toast.id), toast.duration ?? 6_000),
  );
}

/** Show a notice and return its id. */
export function showToast(text: string, options: ToastOptions = {}): number {
  const toast = { ...options, text, id: nextId++ };
  set([...toasts.slice(-2), toast]);
  start(toast);
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
        <div
          key={toast.id}
          className={styles.toast}
          data-tone={toast.tone}
          onPointerEnter={() => clearTimeout(timers.get(toast.id))}
          onPointerLeave={() => start(toast)}
          onFocus={() => clearTimeout(timers.get(toast.id))}
          onBlur={() => start(toast)}
        >
          <span>{toast.text}</span>
          {toast.action && (
            <button
              type="button"
              onClick={() => {
                toast.action?.run();
                dismissToast(toast.id);
              }}
            >
              {toast.action.text}
            </button>
          )}
        </div>
      ))}
    </section>
  );
}
