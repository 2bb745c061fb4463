/** Whether the server has refused the session. */

import { createStore } from "../store";

export const signedOut = createStore(false);

export function reportSignedOut() {
  signedOut.set(true);
}
