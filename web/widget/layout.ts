/** The panel on a phone: it fills what the keyboard leaves of the screen, and the page under it stands still. */

import type { Front } from "./front";

export interface Layout {
  isPhone(): boolean;
  /** Adapt to the panel being open or closed. */
  apply(): void;
}

/** Follow the screen until the signal ends it. */
export function trackLayout(
  front: Front,
  isOpen: () => boolean,
  onChange: () => void,
  signal: AbortSignal,
): Layout {
  const phone = matchMedia("(max-width: 480px), (max-height: 420px)");
  const viewport = visualViewport;
  const page = document.documentElement;
  let isLocked = false;
  let overflow = "hidden"; // What the page does not have now: this, or its own.

  function apply() {
    if (isLocked !== (isOpen() && phone.matches)) {
      isLocked = !isLocked;
      [page.style.overflow, overflow] = [overflow, page.style.overflow];
    }
    if (viewport) {
      const { scale, height, offsetTop } = viewport;
      const { style, currentCSSZoom = 1 } = front.root;
      // Only the keyboard takes room from the panel: who zooms in with two fingers looks closer at a part of it.
      style.setProperty("--height", `${(height * Math.max(scale, 1)) / currentCSSZoom}px`);
      style.setProperty("--top", `${scale > 1 ? 0 : offsetTop / currentCSSZoom}px`);
    }
    onChange();
  }

  phone.addEventListener("change", apply, { signal });
  viewport?.addEventListener("resize", apply, { signal });
  viewport?.addEventListener("scroll", apply, { signal });
  return { isPhone: () => phone.matches, apply };
}
