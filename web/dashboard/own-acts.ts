/** What this page has just changed. Its events are no news to the member. */

const LASTS = 10_000;
/** Mutations of somebody who only looks. */
const LOOKING = new Set(["SetTyping", "SetViewing", "MarkRead"]);
const acts = new Map<string, number>();

/** Remember the escalations and conversations that a mutation names. */
export function noteMutation(query: string, variables: unknown) {
  const name = /^\s*mutation (\w+)/.exec(query)?.[1];
  if (name && !LOOKING.has(name)) {
    const { input, ...others } = (variables ?? {}) as { input?: object };
    for (const value of Object.values({ ...others, ...input })) {
      if (typeof value === "string" && /^(esc|conv)_/.test(value)) {
        acts.set(value, Date.now());
      }
    }
  }
}

export function isOwnAct(...ids: readonly string[]): boolean {
  return ids.some((id) => Date.now() - (acts.get(id) ?? 0) < LASTS);
}
