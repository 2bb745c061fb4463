/**
 * A subset of Markdown: paragraphs, line breaks, lists, code, bold, italic and links.
 *
 * The caller gives the function that makes elements, so that the same text becomes nodes of Preact, React or the DOM.
 * Nothing is ever parsed as HTML: what is not in the subset stays as it was written.
 */

/** Make an element. `href` is given for links only, and is http(s) or mailto. */
export type CreateElement<N> = (tag: string, children: (N | string)[], href?: string) => N;

// In this order: code is literal, and bold is tried before italic. No part reaches beyond the beginning of the next one of
// its kind: otherwise a text of nothing but beginnings would be read again for each of them.
const INLINE =
  /`([^`\n]+)`|\*\*(?=\S)((?:(?!\*\*).)*?\S)\*\*|\*(?=\S)([^*\n]*[^*\s])\*|(?<![\p{L}\p{N}])_(?=\S)([^_\n]*[^_\s])_(?![\p{L}\p{N}])|\[([^[\]\n]+)\]\(((?:https?:\/\/|mailto:)[^\s()]+(?:\([^\s()]*\)[^\s()]*)*)\)|(https?:\/\/[^\s<>]+[^\s<>.,:;!?'")\]])/gu;

const FENCE = /^\s*```/;
const LIST_ITEM = /^\s{0,3}(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;

/** Return the blocks of a text. */
export function formatMarkdown<N>(source: string, create: CreateElement<N>): N[] {
  const blocks: N[] = [];
  const lines = source.replace(/\r\n?/g, "\n").split("\n");
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string;
    let item = LIST_ITEM.exec(line);
    if (FENCE.test(line)) {
      const end = lines.findIndex((other, index) => index > at && /^\s*```\s*$/.test(other));
      const stop = end < 0 ? lines.length : end;
      blocks.push(create("pre", [create("code", [lines.slice(at + 1, stop).join("\n")])]));
      at = stop + 1;
    } else if (item) {
      const isOrdered = !!item[1];
      const items: N[] = [];
      while (item && !!item[1] === isOrdered) {
        items.push(create("li", formatInline(item[2] as string, create)));
        item = LIST_ITEM.exec(lines[++at] ?? "");
      }
      blocks.push(create(isOrdered ? "ol" : "ul", items));
    } else if (line.trim()) {
      const children: (N | string)[] = [];
      do {
        if (children.length) {
          children.push(create("br", []));
        }
        children.push(...formatInline(lines[at++] as string, create));
      } while (lines[at]?.trim() && !FENCE.test(lines[at] as string) && !LIST_ITEM.test(lines[at] as string));
      blocks.push(create("p", children));
    } else {
      at++;
    }
  }
  return blocks;
}

function formatInline<N>(source: string, create: CreateElement<N>): (N | string)[] {
  const nodes: (N | string)[] = [];
  let end = 0;
  for (const match of source.matchAll(INLINE)) {
    const [all, code, bold, italic, underscored, label, target, address] = match;
    if (match.index > end) {
      nodes.push(source.slice(end, match.index));
    }
    end = match.index + all.length;
    const emphasised = italic ?? underscored;
    if (code) {
      nodes.push(create("code", [code]));
    } else if (bold) {
      nodes.push(create("strong", formatInline(bold, create)));
    } else if (emphasised) {
      nodes.push(create("em", formatInline(emphasised, create)));
    } else {
      nodes.push(create("a", [label ?? (address as string)], target ?? address));
    }
  }
  if (end < source.length) {
    nodes.push(source.slice(end));
  }
  return nodes;
}
