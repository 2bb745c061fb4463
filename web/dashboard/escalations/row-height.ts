/** The height of a row: two lines, and in narrow windows three. The width is that of the style sheet. */

import { useSyncExternalStore } from "react";

const COMPACT = "(max-width: 890px)";

function subscribe(listener: () => void) {
  const query = matchMedia(COMPACT);
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}

export function useRowHeight(): number {
  return useSyncExternalStore(subscribe, () => (matchMedia(COMPACT).matches ? 88 : 52));
}
