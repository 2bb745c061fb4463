/** The HTML that a Markdown renderer writes for text, and nothing that can run. */

const NAMES = "p|br|hr|em|strong|s|code|pre|blockquote|ul|ol|li|h[1-6]|table|thead|tbody|tr|th|td";
const TAG = new RegExp(
  `</?(?:${NAMES})(?: class="language-[\\w-]*"| start="\\d+")? ?/?>` +
    `|<a href="(?:https?:|mailto:|#|/)[^"<>]*"(?: title="[^"<>]*")?>|</a>`,
  "g",
);

/** Return whether the text has only those tags. Each other `<` or `>` must be escaped. */
export function isSafeMarkup(text: string): boolean {
  return !/[<>]/.test(text.replace(TAG, ""));
}
