/** The script of a page: `<script async src="…/widget.js" data-agent="agt_…"></script>`. */

import type { Baton, Calls, Options } from "./api";
import { createBaton } from "./embed";

type Queued = { q?: IArguments[]; version?: string };

const script = document.currentScript as HTMLScriptElement | null;
const page = window as unknown as { Baton?: (Baton | (() => void)) & Queued };

// A page that changes its body by script may run this again, also after a call of `shutdown`.
if (script) {
  const base = script.src.replace(/(widget\/[^/]+\/)?widget\.js([?#].*)?$/, "");
  const queued = page.Baton?.q ?? [];
  const baton = page.Baton?.version ? (page.Baton as Baton) : createBaton(base);
  page.Baton = Object.assign(baton, { version: "1" });
  baton.boot({ ...script.dataset, sound: script.dataset.sound !== "off" } as unknown as Options);
  for (const [name, ...rest] of queued) {
    // Failures are events; here no caller waits for them.
    Promise.resolve(baton(name as keyof Calls, ...(rest as []))).catch(() => {});
  }
}
