/** The clicks of a double click: the second one is meant for what the first one hit. */

import type { PressEvent } from "react-aria-components";

/** How many clicks in quick succession the last click ends, 0 after a key. */
let count = 0;
/** What the first of them hit. It may be gone. */
let first: Element | null = null;

function hitBy({ target }: Event): Element | null {
  return target instanceof Element ? (target.closest("button") ?? target) : null;
}

window.addEventListener(
  "click",
  (event) => {
    count = event.detail;
    if (count < 2) {
      first = hitBy(event);
    }
  },
  true,
);
window.addEventListener(
  "mousedown",
  (event) => {
    // It would select a word of what came under the pointer.
    if (event.detail === 2 && hitBy(event) !== first) {
      event.preventDefault();
    }
  },
  true,
);
window.addEventListener("keydown", () => (count = 0), true);

/** Return whether the click that is being handled is the second one of a double click. */
export function isSecondClick(): boolean {
  return count === 2;
}

/** Return whether the last input was a click, and not a key. */
export function isByClick(): boolean {
  return count > 0;
}

/**
 * Return whether a button is pressed only because it came under the pointer: by the second click of a double click,
 * whose first one hit something else.
 */
export function isMisplaced({ target }: PressEvent): boolean {
  return isSecondClick() && first !== target;
}
