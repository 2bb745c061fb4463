/** What GraphiQL needs to run under the strict policy of the page: a nonce for styles, and a rule for HTML. */

import { setNonce } from "get-nonce";
import { isSafeMarkup } from "./markup";

interface PolicyFactory {
  createPolicy(name: string, rules: { createHTML(text: string): string }): unknown;
}

// The scroll lock of dialogs adds a <style> element.
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce;
if (nonce) {
  setNonce(nonce);
}

// GraphiQL assigns the descriptions of the schema, rendered as Markdown.
(window as { trustedTypes?: PolicyFactory }).trustedTypes?.createPolicy("default", {
  createHTML(text) {
    if (!isSafeMarkup(text)) {
      throw new TypeError("This page assigns only the HTML of rendered Markdown.");
    }
    return text;
  },
});
