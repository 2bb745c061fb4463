import { expect, test } from "vitest";
import { formatMarkdown } from "./markdown";

const escape = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

// Node's types are not installed. Time would be prolonged by what else runs; these microseconds are not.
declare const process: { cpuUsage(since?: object): { user: number; system: number } };

/** Return the blocks as HTML, to compare them. */
function html(source: string): string {
  const create = (tag: string, children: (string | { html: string })[], href?: string) => ({
    html: `<${tag}${href ? ` href="${href}"` : ""}>${children
      .map((child) => (typeof child === "string" ? escape(child) : child.html))
      .join("")}</${tag}>`,
  });
  return formatMarkdown(source, create)
    .map((block) => block.html)
    .join("");
}

test.each([
  ["one\ntwo\n\nthree", "<p>one<br></br>two</p><p>three</p>"],
  ["**bold** and *italic* and _so_", "<p><strong>bold</strong> and <em>italic</em> and <em>so</em></p>"],
  ["**bold with *both* in it**", "<p><strong>bold with <em>both</em> in it</strong></p>"],
  ["**a **b**", "<p>**a <strong>b</strong></p>"],
  ["***a***", "<p><strong>*a</strong>*</p>"],
  ["`a * b` * c", "<p><code>a * b</code> * c</p>"],
  ["2 * 3 * 4, snake_case_name", "<p>2 * 3 * 4, snake_case_name</p>"],
  ["- a\n- b\n\n1. c\n2) d", "<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>"],
  ["Steps:\n- a", "<p>Steps:</p><ul><li>a</li></ul>"],
  ["```js\nlet a = *b*;\n```\nafter", "<pre><code>let a = *b*;</code></pre><p>after</p>"],
  ["```\nnever closed", "<pre><code>never closed</code></pre>"],
  ["[our page](https://a.example/x_(y))", '<p><a href="https://a.example/x_(y)">our page</a></p>'],
  [
    "see https://a.example/b_c_d.",
    '<p>see <a href="https://a.example/b_c_d">https://a.example/b_c_d</a>.</p>',
  ],
  ["[[mail](mailto:a@b.example)]", '<p>[<a href="mailto:a@b.example">mail</a>]</p>'],
  ["[mail](mailto:a@b.example)", '<p><a href="mailto:a@b.example">mail</a></p>'],
])("text %j is formatted", (source, expected) => {
  expect(html(source)).toBe(expected);
});

test.each([
  "<img src=x onerror=alert(1)>",
  "[x](javascript:alert(1))",
  "[x](data:text/html,<script>)",
  "&lt;b&gt;",
])("dangerous source %j stays text", (source) => {
  expect(html(source)).toBe(`<p>${escape(source)}</p>`);
});

test.each([
  "*".repeat(20_000),
  "_a".repeat(10_000),
  "[".repeat(20_000),
  "[a".repeat(10_000),
  "`".repeat(20_000),
  "**a ".repeat(5_000),
])("hostile text (%#) of the greatest length costs little CPU", (source) => {
  const begun = process.cpuUsage();
  html(source);
  const { user, system } = process.cpuUsage(begun);
  expect(user + system).toBeLessThan(200_000);
});
