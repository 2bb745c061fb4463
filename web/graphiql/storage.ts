/** The browser's storage for queries and tabs. Headers hold keys, and are left out: GraphiQL's history has them. */

/** GraphiQL begins its names with this. The dashboard keeps its own next to them. */
const PREFIX = "graphiql:";
const TABS = `${PREFIX}tabState`;
/** The member whose queries are stored, as the dashboard says. GraphiQL does not delete it with its own. */
const OWNER = "baton-dashboard:graphiql-member";

let ended = false;

export const storageWithoutHeaders = {
  getItem: (name: string) => localStorage.getItem(name),
  removeItem: (name: string) => localStorage.removeItem(name),
  clear: clearQueries,
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

function clearQueries() {
  for (const name of ownNames()) {
    localStorage.removeItem(name);
  }
}

/** Delete what GraphiQL has stored, and whose it is. */
export function forgetQueries() {
  try {
    clearQueries();
    localStorage.removeItem(OWNER);
  } catch {
    // Storage is denied: there is nothing to remove.
  }
}

/** Keep what GraphiQL stores for this member. Queries of another member, or of nobody known, are deleted. */
export function keepQueriesOf(memberId: string) {
  try {
    if (localStorage.getItem(OWNER) !== memberId) {
      clearQueries();
      localStorage.setItem(OWNER, memberId);
    }
  } catch {
    // Storage is denied: nothing is kept.
  }
}

/** Load the page again when the dashboard deletes the tabs: a member has signed out, or another one in. */
export function followSignOut() {
  const restart = () => {
    // GraphiQL stores its tabs half a second after a change, so a change may still wait, or have been stored.
    ended = true;
    clearQueries();
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
