/** Rows that open like the link in them. Their text can still be selected, and the link alone has the focus. */

import { isSecondClick } from "./clicks";

/** Pixels that a pointer may move in a click. */
const STILL = 4;
const LINK = "a[data-row-link]";
/** What does something else in a row. `data-row-apart` marks what surrounds a small target. */
const APART = "a, button, input, select, textarea, label, [data-row-apart]";

/** Return the link of the row whose own text or space the event hit. */
function linkAt({ target }: Event): HTMLAnchorElement | null | undefined {
  const hit = target instanceof Element ? target : null;
  return hit?.closest(APART) ? null : hit?.closest("[data-row]")?.querySelector<HTMLAnchorElement>(LINK);
}

/** Return whether the pointer was drawn over text of the row to select it, from where it was pressed. */
function hasSelected(row: Element | null, pressed: MouseEvent | undefined, { clientX, clientY }: MouseEvent) {
  const selection = getSelection();
  const way = pressed ? Math.hypot(clientX - pressed.clientX, clientY - pressed.clientY) : 0;
  return way > STILL && row && selection && !selection.isCollapsed && selection.containsNode(row, true);
}

function openTab(link: HTMLAnchorElement) {
  window.open(link.href, "_blank", "noopener");
}

/** Let clicks on the rows of a list open their links, until the returned function is called. */
export function openRows(list: HTMLElement | null): (() => void) | undefined {
  if (!list) {
    return undefined;
  }
  let pressed: MouseEvent | undefined;
  const ending = new AbortController();
  const on = (name: "click" | "auxclick" | "mousedown", listener: (event: MouseEvent) => void) =>
    list.addEventListener(name, listener, { signal: ending.signal });
  on("click", (event) => {
    const link = linkAt(event);
    if (!link || isSecondClick() || hasSelected(link.closest("[data-row]"), pressed, event)) {
      return;
    }
    if (event.ctrlKey || event.metaKey || event.shiftKey) {
      openTab(link);
    } else {
      link.focus({ preventScroll: true });
      link.click();
    }
  });
  on("auxclick", (event) => {
    const link = event.button === 1 && linkAt(event);
    if (link) {
      openTab(link);
    }
  });
  on("mousedown", (event) => {
    pressed = event;
    // Otherwise the middle button begins to scroll.
    if (event.button === 1 && linkAt(event)) {
      event.preventDefault();
    }
  });
  return () => ending.abort();
}
