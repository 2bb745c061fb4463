/** The box for an internal note. */

import { useRef, useState } from "react";
import { Button } from "../../ui/button";
import { Banner } from "../../ui/feedback";
import { restoreFocusAfter } from "../../ui/focus";
import { Icon } from "../../ui/icon";
import { addNote } from "../escalations/actions";
import { useViewer } from "../session/viewer";
import { useDraft } from "./drafts";
import styles from "./escalation.module.css";

export function NoteBox({ escalationId }: { escalationId: string }) {
  const { member } = useViewer();
  const { draft, write, clear } = useDraft(member?.id ?? "", "note", escalationId, 0);
  const box = useRef<HTMLTextAreaElement>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  async function add() {
    const note = draft.text.trim();
    if (!note || busy) {
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      await addNote(escalationId, note);
      clear(note);
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
        ref={box}
        data-box="note"
        className={styles.write}
        aria-label="Internal note"
        placeholder="Only the team sees this. It is never sent to the customer."
        value={draft.text}
        maxLength={2_000}
        rows={3}
        dir="auto"
        onChange={(event) => write(event.target.value)}
        // Ctrl+Enter sends replies only: used for notes, it would soon send one to a customer.
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
      />
      <div className={styles.sendRow}>
        <span>
          <Icon name="note" size={14} /> Internal
        </span>
        <Button
          onPress={(press) => add().then(() => restoreFocusAfter(press, box.current))}
          isDisabled={!draft.text.trim() || busy}
        >
          {busy ? "Adding…" : "Add note"}
        </Button>
      </div>
    </>
  );
}
