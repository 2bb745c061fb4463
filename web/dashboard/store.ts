/** A value that components can watch. */

import { useSyncExternalStore } from "react";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (!Object.is(next, value)) {
        value = next;
        for (const listener of listeners) {
          listener();
        }
      }
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A store that keeps its value in the browser, also for other tabs. Works without storage for the page's life. */
export function createSavedStore<T>(key: string, initial: T): Store<T> {
  const name = `baton-dashboard:${key}`;
  const read = (): T => {
    try {
      const text = localStorage.getItem(name);
      return text === null ? initial : (JSON.parse(text) as T);
    } catch {
      return initial;
    }
  };
  const store = createStore(read());
  if (typeof window !== "undefined") {
    window.addEventListener("storage", (event) => event.key === name && store.set(read()));
  }
  return {
    ...store,
    set(value) {
      store.set(value);
      try {
        localStorage.setItem(name, JSON.stringify(value));
      } catch {
        // Storage is denied: the value lasts as long as the page.
      }
    },
  };
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}
