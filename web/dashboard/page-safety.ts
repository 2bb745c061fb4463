/** What keeps the page working under a strict policy and any address. */

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

/**
 * Make the address of the window's icon absolute. It is relative to the first address of the page, and browsers
 * resolve it again, against the new address, when the page changes its own.
 */
export function keepIcon() {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) {
    const { href } = icon;
    icon.href = href;
  }
}
