/** What keeps the page working under a strict policy. */

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
