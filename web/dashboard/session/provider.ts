/** Signing in by the operator's OpenID provider: what the page offers, and why the last attempt failed. */

export interface Provider {
  name: string;
  /** The address that begins a sign-in. */
  address: string;
}

const REASONS = new Map(
  Object.entries({
    cancelled: "The provider did not sign you in. Try again, or ask your admin.",
    expired: "This sign-in was not finished in time, or in another tab. Try again.",
    provider: "The provider could not be used now. Try again later; the server's log has the reason.",
    "too-often": "There were too many attempts from your network. Try again in a minute.",
    "unverified-email": "The provider has not verified your email. Verify it there, then try again.",
    "foreign-domain": "Your email is of none of the domains that may sign in here. Use another account.",
    "no-member": "No team has a member for this account. Ask your admin to invite its email.",
  }),
);
const REFUSED = "sign-in-refused";

/** Return the provider of the page, or undefined if there is none. */
export function readProvider(page: ParentNode): Provider | undefined {
  const name = contentOf(page, "sign-in-provider");
  const address = contentOf(page, "sign-in-address");
  return name && address ? { name, address } : undefined;
}

/** Whether the service takes passwords. */
export function takesPasswords(page: ParentNode): boolean {
  return contentOf(page, "password-sign-in") !== "off";
}

/** Return why the provider's last answer signed nobody in, in words, or undefined. */
export function refusalOf(hash: string): string | undefined {
  const reason = new URLSearchParams(hash.slice(1)).get(REFUSED);
  // A link cannot put words of its own on the page.
  return reason === null ? undefined : (REASONS.get(reason) ?? "Signing in failed. Try again.");
}

/** Return the address that begins a sign-in and comes back to a path of the page. */
export function addressFor(provider: Provider, path: string): string {
  return `${provider.address}?${new URLSearchParams({ path })}`;
}

/** Read why the last attempt failed, once: a reload does not show it again. */
export function takeRefusal(): string | undefined {
  const refusal = refusalOf(location.hash);
  if (refusal) {
    history.replaceState(history.state, "", location.pathname + location.search);
  }
  return refusal;
}

function contentOf(page: ParentNode, name: string): string | undefined {
  return page.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content;
}
