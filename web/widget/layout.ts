/** The panel on a phone: it fills what the keyboard leaves of the screen, and the page under it stands still. */

import type { Front } from "./front";

export interface Layout {
  isPhone(): boolean;
  /** Adapt to the panel being open or closed. */
  apply(): void;
  close(): void;
}

export function trackLayout(front: Front, isOpen: () => boolean, onChange: () => void): Layout {
  const phone = window.matchMedia("(max-width: 480px), (max-height: 420px)");
  const viewport = window.visualViewport;
  const page = document.documentElement;
  let overflow: string | undefined;

  function apply() {
    const locked = isOpen() && phone.matches;
    if (locked && overflow === undefined) {
      overflow = page.style.overflow;
      page.style.overflow = "hidden";
    } else if (!locked && overflow !== undefined) {
      page.style.overflow = overflow;
      overflow = undefined;
    }
    if (viewport) {
      front.root.style.setProperty("--height", `${viewport.height}px`);
      front.root.style.setProperty("--top", `${viewport.offsetTop}px`);
    }
    onChange();
  }

  phone.addEventListener("change", apply);
  viewport?.addEventListener("resize", apply);
  viewport?.addEventListener("scroll", apply);
  return {
    isPhone: () => phone.matches,
    apply,
    close() {
      phone.removeEventListener("change", apply);
      viewport?.removeEventListener("resize", apply);
      viewport?.removeEventListener("scroll", apply);
    },
  };
}
