/** The focus after what had it has gone. */

import type { PressEvent } from "react-aria-components";

/** Focus the element, else the main part of the page, if nothing has the focus in the next frame but one. */
export function restoreFocus(element?: Element | null) {
  // In the next frame a dialog that opens or closes sets the focus itself.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      for (const next of [element, document.querySelector("main")]) {
        if (document.activeElement === document.body && next instanceof HTMLElement) {
          next.focus({ preventScroll: true });
        }
      }
    }),
  );
}

/** Do so after a press by keyboard. After one by a pointer, single keys go on to work outside of a field. */
export function restoreFocusAfter({ pointerType }: PressEvent, element: Element | null) {
  if (pointerType === "keyboard" || pointerType === "virtual") {
    restoreFocus(element);
  }
}
