import { describe, expect, test } from "vitest";
import { isSafeMarkup } from "./markup";

describe("isSafeMarkup", () => {
  test.each([
    "",
    "<p>Plain &lt;b&gt; text</p>\n",
    '<p>See <a href="https://example.com/?a=1&amp;b=2">this</a> and <code>a &gt; b</code>.<br>\n</p>',
    '<pre><code class="language-graphql">{ id }\n</code></pre>',
    '<ol start="3">\n<li><strong>x</strong></li>\n</ol>',
  ])("markup that a renderer writes is safe: %s", (text) => {
    expect(isSafeMarkup(text)).toBe(true);
  });

  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<p onclick="alert(1)">x</p>',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="//x" onclick="alert(1)">x</a>',
    "<svg/onload=alert(1)>",
    "<<p>script>alert(1)<</p>/script>",
    "<scr<p>ipt>",
  ])("all other markup is unsafe: %s", (text) => {
    expect(isSafeMarkup(text)).toBe(false);
  });
});
