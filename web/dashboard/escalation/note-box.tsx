/** The box for an internal note. */

import { useState } from "react";
import { Button } from "../../ui/button";
import { Banner } from "../../ui/feedback";
import { Icon } from "../../ui/icon";
import { addNote } from "../escalations/actions";
import { useViewer } from "../session/viewer";
import { useDraft } from "./drafts";
import styles from "./escalation.module.css";

export function NoteBox({ escalationId }: { escalationId: string }) {
  const { member } = useViewer();
  const { draft, write, clear } = useDraft(member?.id ?? "", "note", escalationId, 0);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  async function add() {
    setBusy(true);
    setError(undefined);
    try {
      await addNote(escalationId, draft.text.trim());
      clear();
    } catch (failure) {
      setError((failure as Error).message);
    } finally {
      setBusy(false);
    }
  }

  return (
    <>
      {error && <Banner tone="danger">Not added. {error}</Banner>}
      <textarea
        data-box="note"
        className={styles.write}
        aria-label="Internal note"
        placeholder="Only the team sees this. It is never sent to the customer."
        value={draft.text}
        maxLength={2_000}
        rows={3}
        dir="auto"
        onChange={(event) => write(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      <div className={styles.sendRow}>
        <span>
          <Icon name="note" size={14} /> Internal
        </span>
        <Button onPress={add} isDisabled={!draft.text.trim() || busy}>
          {busy ? "Adding…" : "Add note"}
        </Button>
      </div>
    </>
  );
}
