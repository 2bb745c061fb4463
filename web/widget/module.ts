/** The same as a module: `import { baton } from "…/widget.mjs"`, then `baton.boot({ agent: "agt_…" })`. */

import { createBaton } from "./embed";

export type * from "./api";

export const baton = createBaton(import.meta.url.replace(/widget\.mjs([?#].*)?$/, ""));
