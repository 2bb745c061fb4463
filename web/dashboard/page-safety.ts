/** What keeps the page working under a strict policy, and after the server was upgraded under an open tab. */

const RELOADED = "baton-dashboard:reloaded";
const RELOAD_EVERY = 30_000;

interface PolicyFactory {
  createPolicy(name: string, rules: { createHTML(text: string): string }): unknown;
}

/**
 * Allow the one assignment to `innerHTML` in this page: React Aria clears its live region with an empty text.
 * A page whose policy names no `default` policy goes on without it.
 */
export function registerTrustedTypes() {
  const factory = (window as { trustedTypes?: PolicyFactory }).trustedTypes;
  try {
    factory?.createPolicy("default", {
      createHTML(text) {
        if (text !== "") {
          throw new TypeError("This page assigns no HTML.");
        }
        return text;
      },
    });
  } catch {
    // The policy of the page allows no policies.
  }
}

/** Reload once if a part of the page is gone because the build was replaced. Drafts are kept in the browser. */
export function followReplacedBuild() {
  window.addEventListener("vite:preloadError", (event) => {
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
    if (Date.now() - last > RELOAD_EVERY) {
      event.preventDefault();
      sessionStorage.setItem(RELOADED, String(Date.now()));
      location.reload();
    }
  });
}
