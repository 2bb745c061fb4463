/** The build that this tab runs, against the build that the service has now. */

import { appPath } from "./base";
import { createStore } from "./store";

/** True once the service has another build. The tab goes on with what it has loaded. */
export const newVersion = createStore(false);

/** The script of the page has the hash of its content in its name, which identifies the build. */
const own = document.querySelector<HTMLScriptElement>('script[type="module"][src]')?.src.split("/").pop();

/** Look for another build. Without an answer nothing is concluded. */
export async function checkVersion(): Promise<void> {
  try {
    const response = await fetch(`${appPath}/`, { cache: "no-store", headers: { accept: "text/html" } });
    if (response.ok && own && !(await response.text()).includes(own)) {
      newVersion.set(true);
    }
  } catch {
    // Offline: the next reconnect looks again.
  }
}
