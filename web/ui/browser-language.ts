/**
 * A language that the browser's own formats accept.
 *
 * uPlot formats numbers in `navigator.language` while it loads. On Linux without a locale that is `C` or
 * `en-US@posix`, which is no language tag (BCP 47): uPlot fails, and with it every screen that has a chart.
 */

try {
  new Intl.Locale(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en", configurable: true });
}
