/** One line about the live connection that claims no more than is certain. */

import { Button } from "../ui/button";
import { liveState } from "./live";
import { newVersion } from "./new-version";
import styles from "./shell.module.css";
import { useStore } from "./store";
import { useTick } from "./tick";
import { formatTime } from "./words";

const TEXT = {
  live: "Live",
  "catching up": "Catching up…",
  connecting: "Connecting…",
  offline: "Offline",
} as const;

export function ConnectionLine() {
  const { status, liveAt } = useStore(liveState);
  const behind = useTick(() =>
    status === "live" || !liveAt ? 0 : Math.floor((Date.now() - liveAt) / 1_000),
  );
  return (
    <p className={styles.live} data-status={status} role="status">
      <span className={styles.dot} />
      {/* The seconds change all the time and are not announced. */}
      <span>{TEXT[status]}</span>
      {behind > 1 && (
        <span aria-hidden="true">{behind < 100 ? `${behind} s behind` : `since ${formatTime(liveAt)}`}</span>
      )}
    </p>
  );
}

/** Above the screen while it may be out of date. */
export function StaleNotice() {
  const { status, liveAt } = useStore(liveState);
  const stale = useTick(() => status !== "live" && liveAt > 0 && Date.now() - liveAt > 5_000);
  if (!stale) {
    return null;
  }
  return (
    <p className={styles.offline}>
      {status === "offline" ? "No connection." : "The live connection is not up."} What you see is from{" "}
      {formatTime(liveAt)}; drafts are kept in this browser.
    </p>
  );
}

/** Above the screen when the service has another build than this tab. */
export function NewVersionNotice() {
  if (!useStore(newVersion)) {
    return null;
  }
  return (
    <p className={styles.newVersion} role="status">
      A new version is available. Drafts are kept.{" "}
      <Button icon="refresh" onPress={() => location.reload()}>
        Reload
      </Button>
    </p>
  );
}
