/** The settings form: what the member changed, and where a colleague's save collides with it. */

import type { SettingsPartsFragment, UpdateEscalationSettingsInput } from "../../gql/operations";

export type Settings = SettingsPartsFragment;

/** The parts that the form edits. Webhooks and connections have mutations of their own. */
const SECTIONS = ["autoEscalation", "triggers", "ai", "sla", "notifications", "widget", "retention"] as const;

type Path = string;

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const READ_ONLY = new Set(["connected", "unconfirmedRecipients", "webhooks"]);

/** Return the fields that differ, by path, such as `sla.atRiskPercent`. A list counts as one field. */
export function differences(a: unknown, b: unknown, path: Path = ""): Map<Path, [unknown, unknown]> {
  if (isPlainObject(a) && isPlainObject(b)) {
    return new Map(
      Object.keys(b)
        .filter((name) => !READ_ONLY.has(name))
        .flatMap((name) => [...differences(a[name], b[name], path ? `${path}.${name}` : name)]),
    );
  }
  return JSON.stringify(a) === JSON.stringify(b) ? new Map() : new Map([[path, [a, b]]]);
}

function editable(settings: Settings) {
  return Object.fromEntries(SECTIONS.map((name) => [name, settings[name]]));
}

export function changedFields(base: Settings, mine: Settings): Map<Path, [unknown, unknown]> {
  return differences(editable(base), editable(mine));
}

/** Return the input that sends the changed fields and nothing else. */
export function toInput(base: Settings, mine: Settings): UpdateEscalationSettingsInput {
  const input: Record<string, unknown> = { agentId: base.agentId, expectedVersion: base.version };
  for (const [path, [, value]] of changedFields(base, mine)) {
    const names = path.split(".");
    const last = names.pop() as string;
    let place = input;
    for (const name of names) {
      place[name] ??= {};
      place = place[name] as Record<string, unknown>;
    }
    place[last] = value;
  }
  return input as unknown as UpdateEscalationSettingsInput;
}

/** Put the member's changes onto settings that a colleague has saved meanwhile. */
export function rebase(base: Settings, mine: Settings, theirs: Settings): Settings {
  const next = structuredClone(theirs) as unknown as Record<string, unknown>;
  for (const [path, [, value]] of changedFields(base, mine)) {
    const names = path.split(".");
    const last = names.pop() as string;
    let place = next;
    for (const name of names) {
      place = place[name] as Record<string, unknown>;
    }
    place[last] = value;
  }
  return next as unknown as Settings;
}

export interface Collision {
  path: Path;
  mine: unknown;
  theirs: unknown;
}

/** Return the fields that both have changed, to different values. */
export function collisions(base: Settings, mine: Settings, theirs: Settings): Collision[] {
  const saved = changedFields(base, theirs);
  return [...changedFields(base, mine)].flatMap(([path, [, value]]) => {
    const other = saved.get(path);
    return other && JSON.stringify(other[1]) !== JSON.stringify(value)
      ? [{ path, mine: value, theirs: other[1] }]
      : [];
  });
}
