/** The browser's events that say that the page, or its network, went away or came back. */

/**
 * Follow them until the returned function is called.
 *
 * `onWake`: the page or the network may have come back. `onLeave`: the page is left, perhaps into the
 * back/forward cache.
 */
export function followWakeUps(onWake: () => void, onOffline: () => void, onLeave: () => void): () => void {
  const ending = new AbortController();
  const on = (target: EventTarget, name: string, listener: (event: Event) => void) =>
    target.addEventListener(name, listener, { signal: ending.signal });
  on(window, "online", onWake);
  // Every load shows the page: only a return from the back/forward cache is a wake-up.
  on(window, "pageshow", (event) => (event as PageTransitionEvent).persisted && onWake());
  on(document, "resume", onWake);
  on(document, "visibilitychange", () => document.visibilityState === "visible" && onWake());
  on(window, "offline", onOffline);
  // Not every browser keeps a page with an open socket in its back/forward cache.
  on(window, "pagehide", onLeave);
  return () => ending.abort();
}
