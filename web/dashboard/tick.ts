/** The server's time, renewed each second while the page is visible. */

import { useSyncExternalStore } from "react";
import { serverNow } from "./server-time";

const listeners = new Set<() => void>();
let now = serverNow();
let timer: ReturnType<typeof setInterval> | undefined;

function tick() {
  now = serverNow();
  for (const listener of listeners) {
    listener();
  }
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  if (listeners.size === 1) {
    now = serverNow();
    timer = setInterval(() => document.visibilityState === "visible" && tick(), 1_000);
  }
  return () => {
    listeners.delete(listener);
    if (!listeners.size) {
      clearInterval(timer);
    }
  };
}

/** Return a value computed from the server's time. The component renders again only when the value changes. */
export function useTick<T extends string | number | boolean>(compute: (now: number) => T): T {
  return useSyncExternalStore(subscribe, () => compute(now));
}
