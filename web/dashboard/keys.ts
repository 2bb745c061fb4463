/**
 * The keys of the dashboard. One registry, so that `?` can list what works now.
 *
 * Keys are matched by the character that they type, never by their place on the keyboard. Single keys work outside
 * inputs only and can be turned off. No key is combined with Alt: on many layouts Alt types letters.
 */

import { useEffect, useRef } from "react";
import { singleKeys } from "./preferences";
import { createStore } from "./store";

export interface KeyBinding {
  /** A character such as `j`, a name such as `Escape`, or two characters in turn such as `g e`. */
  key: string;
  text: string;
  group: string;
  run(): void;
}

type Scope = { bindings: readonly KeyBinding[] };

export const scopes = createStore<readonly Scope[]>([]);

const SEQUENCE_MS = 1_000;

/** Return true if typing belongs to the element. */
export function takesText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target.matches("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select"))
  );
}

/** Return the binding for the keys typed so far, and whether more keys may follow. */
export function matchKeys(
  bindings: readonly KeyBinding[],
  typed: readonly string[],
): { binding: KeyBinding | undefined; partial: boolean } {
  const text = typed.join(" ").toLowerCase();
  return {
    binding: bindings.find((candidate) => candidate.key.toLowerCase() === text),
    partial: bindings.some((candidate) => candidate.key.toLowerCase().startsWith(`${text} `)),
  };
}

let typed: string[] = [];
let typedAt = 0;

function onKeyDown(event: KeyboardEvent) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing || event.defaultPrevented) {
    return;
  }
  if (takesText(event.target) || document.querySelector('[role="dialog"], [role="menu"]')) {
    typed = [];
    return;
  }
  const named = event.key.length > 1;
  if (!named && !singleKeys.get()) {
    return;
  }
  if (event.timeStamp - typedAt > SEQUENCE_MS) {
    typed = [];
  }
  typedAt = event.timeStamp;
  const bindings = [...scopes.get()].reverse().flatMap((scope) => scope.bindings);
  let match = matchKeys(bindings, [...typed, event.key]);
  if (match.partial) {
    typed.push(event.key);
    return;
  }
  if (!match.binding && typed.length) {
    match = matchKeys(bindings, [event.key]);
  }
  typed = [];
  if (match.binding) {
    event.preventDefault();
    match.binding.run();
  }
}

/** Start to listen. Returns the function that stops it. */
export function listenForKeys(): () => void {
  window.addEventListener("keydown", onKeyDown);
  return () => window.removeEventListener("keydown", onKeyDown);
}

/** Bind keys while the component is mounted. */
export function useKeys(bindings: readonly KeyBinding[]) {
  const latest = useRef(bindings);
  latest.current = bindings;
  useEffect(() => {
    const scope: Scope = {
      get bindings() {
        return latest.current;
      },
    };
    scopes.set([...scopes.get(), scope]);
    return () => scopes.set(scopes.get().filter((candidate) => candidate !== scope));
  }, []);
}
