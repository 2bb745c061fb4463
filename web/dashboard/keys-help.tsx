/** The list of the keys that work on this screen. */

import { Switch } from "../ui/field";
import { Dialog } from "../ui/overlay";
import { scopes } from "./keys";
import { singleKeys } from "./preferences";
import styles from "./shell.module.css";
import { useStore } from "./store";

const SIGNS: Record<string, string> = { ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };

export function KeysHelp({ open, onClose }: { open: boolean; onClose(): void }) {
  const enabled = useStore(singleKeys);
  const bindings = useStore(scopes).flatMap((scope) => scope.bindings);
  const groups = [...new Set(bindings.map((binding) => binding.group))].reverse();
  return (
    <Dialog title="Keyboard" size="wide" open={open} onClose={onClose}>
      <div className={styles.keys}>
        {groups.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <ul>
              {bindings
                .filter((binding) => binding.group === group)
                .map((binding) => (
                  <li key={binding.key + binding.text}>
                    <span>{binding.text}</span>
                    <span>
                      {binding.key.split(" ").map((part) => (
                        <kbd key={part} style={{ marginInlineStart: 4 }}>
                          {SIGNS[part] ?? (part.length === 1 ? part.toUpperCase() : part)}
                        </kbd>
                      ))}
                    </span>
                  </li>
                ))}
              {group === "Everywhere" && (
                <li>
                  <span>Find or do anything</span>
                  <kbd>Ctrl K / ⌘ K</kbd>
                </li>
              )}
            </ul>
          </section>
        ))}
      </div>
      <Switch
        checked={enabled}
        onValue={(value) => singleKeys.set(value)}
        hint="Turn them off if you speak to your computer, or if another tool uses these keys. Escape keeps working."
      >
        Single keys
      </Switch>
    </Dialog>
  );
}
