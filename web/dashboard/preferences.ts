/** What a team member has chosen for this browser. */

import { createSavedStore } from "./store";

export type Theme = "auto" | "light" | "dark";

export const theme = createSavedStore<Theme>("theme", "auto");
export const singleKeys = createSavedStore("single-keys", true);
export const desktopNotices = createSavedStore("desktop-notices", false);
export const sound = createSavedStore("sound", false);

/** Show the page in the chosen theme, now and after each change. */
export function followTheme() {
  const apply = () => {
    document.documentElement.dataset["theme"] = theme.get();
  };
  theme.subscribe(apply);
  apply();
}
