/** The focus after what had it has gone. */

import type { PressEvent } from "react-aria-components";

/**
 * Focus the element, else the main part of the page, in the next frame but one.
 *
 * Another element that has the focus by then keeps it. The main part does not, since an earlier call may have
 * focused it.
 */
export function restoreFocus(element?: Element | null) {
  // In the next frame a dialog that opens or closes sets the focus itself.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      const main = document.querySelector("main");
      for (const next of [element, main]) {
        const focused = document.activeElement;
        if (next instanceof HTMLElement && (focused === document.body || focused === main)) {
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
