/** The browser's storage for queries and tabs. Headers hold keys, and are left out: GraphiQL's history has them. */

export const storageWithoutHeaders = {
  getItem: (name: string) => localStorage.getItem(name),
  removeItem: (name: string) => localStorage.removeItem(name),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
  setItem: (name: string, value: string) => localStorage.setItem(name, withoutHeaders(name, value)),
};

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
