/** The browser's storage for queries and tabs. Headers hold keys, and are left out: GraphiQL's history has them. */

/** GraphiQL begins its names with this. The dashboard keeps its own next to them. */
const PREFIX = "graphiql:";
const TABS = `${PREFIX}tabState`;

let ended = false;

export const storageWithoutHeaders = {
  getItem: (name: string) => localStorage.getItem(name),
  removeItem: (name: string) => localStorage.removeItem(name),
  clear: forgetQueries,
  get length() {
    return ownNames().length;
  },
  setItem(name: string, value: string) {
    if (!ended) {
      localStorage.setItem(name, withoutHeaders(name, value));
    }
  },
};

function ownNames(): string[] {
  return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
}

/** Delete what GraphiQL has stored, and nothing else. */
export function forgetQueries() {
  try {
    for (const name of ownNames()) {
      localStorage.removeItem(name);
    }
  } catch {
    // Storage is denied: there is nothing to remove.
  }
}

/** Load the page again when another page deletes the tabs: signing out of the dashboard does. */
export function followSignOut() {
  const restart = () => {
    // GraphiQL stores its tabs half a second after a change, so a change may still wait, or have been stored.
    ended = true;
    forgetQueries();
    location.reload();
  };
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key === TABS && newValue === null) {
      restart();
    }
  });
  // Not every browser sends events to a page in the back/forward cache.
  window.addEventListener("pageshow", ({ persisted }) => {
    if (persisted && localStorage.getItem(TABS) === null) {
      restart();
    }
  });
}

/** Return a value of GraphiQL without the content of the field `headers` at any depth. */
export function withoutHeaders(name: string, value: string): string {
  if (name.endsWith(":headers")) {
    return "";
  }
  try {
    return JSON.stringify(JSON.parse(value, (key, part) => (key === "headers" ? null : part)));
  } catch {
    // The text of an editor, which is no JSON.
    return value;
  }
}
