/** The dialogs that change escalations: assign, priority and resolve. They take one row or many. */

import { useEffect, useState } from "react";
import type { Disposition, EscalationRowFragment } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Checkbox, TextArea } from "../../ui/field";
import { Dialog, DialogActions } from "../../ui/overlay";
import { Picker } from "../../ui/picker";
import { useMembers, useViewer } from "../session/viewer";
import { useStore } from "../store";
import { customerName, DISPOSITION, DISPOSITIONS, PRIORITIES, PRIORITY } from "../words";
import { assign, setPriority } from "./actions";
import styles from "./escalations.module.css";
import { keptInput, resolve, resolving } from "./resolution";

export type Change = "assign" | "priority" | "resolve";

export interface ChangeDialogProps {
  change: Change | undefined;
  rows: readonly EscalationRowFragment[];
  onClose(): void;
  /** Called when the change has been asked for. */
  onDone?(change: Change): void;
}

export function ChangeDialog({ change, rows, onClose, onDone }: ChangeDialogProps) {
  const viewer = useViewer();
  const { data } = useMembers();
  const [only] = rows;
  const pending = useStore(resolving);
  const unresolved = rows.filter((row) => !pending.has(row.id));
  const nothingLeft = change === "resolve" && unresolved.length === 0;
  useEffect(() => {
    if (nothingLeft) {
      onClose();
    }
  });
  const members = (data?.members ?? []).filter((member) => member.role !== "VIEWER" && member.email);
  const sorted = [...members].sort(
    (a, b) => Number(b.id === viewer.member?.id) - Number(a.id === viewer.member?.id),
  );
  return (
    <>
      <Picker
        label="Assign to"
        placeholder="Assign to…"
        open={change === "assign"}
        onClose={onClose}
        options={[
          ...sorted.map((member) => ({
            id: member.id,
            text: member.name,
            note: member.id === viewer.member?.id ? "you" : member.available ? "available" : "away",
            checked: rows.length === 1 && only?.assignee?.id === member.id,
            run() {
              assign(rows, member.email as string);
              onDone?.("assign");
            },
          })),
          {
            id: "none",
            text: "No assignee",
            run() {
              assign(rows, "");
              onDone?.("assign");
            },
          },
        ]}
      />
      <Picker
        label="Set the priority"
        placeholder="Set the priority…"
        open={change === "priority"}
        onClose={onClose}
        options={PRIORITIES.map((priority) => ({
          id: priority,
          text: PRIORITY[priority],
          checked: rows.length === 1 && only?.priority === priority,
          run() {
            setPriority(rows, priority);
            onDone?.("priority");
          },
        }))}
      />
      {change === "resolve" && !nothingLeft && (
        <ResolveDialog rows={unresolved} onClose={onClose} onDone={() => onDone?.("resolve")} />
      )}
    </>
  );
}

function ResolveDialog({
  rows,
  onClose,
  onDone,
}: {
  rows: readonly EscalationRowFragment[];
  onClose(): void;
  onDone(): void;
}) {
  const [before] = useState(() => keptInput(rows));
  const [note, setNote] = useState(before?.note ?? "");
  const [disposition, setDisposition] = useState<Disposition | undefined>(before?.disposition);
  const [chosen, setChosen] = useState(before?.keepAiPaused ?? false);
  const [only] = rows;
  // Resolving can keep the AI paused, but does not pause one that answers again, as after a reply by policy.
  const answers = rows.every((row) => row.conversation.ai.state === "ACTIVE");
  const keepAiPaused = chosen && !answers;
  const title =
    rows.length === 1 && only
      ? `Resolve ${customerName(only.conversation.customer)}`
      : `Resolve ${rows.length} escalations`;

  function submit() {
    resolve(rows, { note: note.trim() || undefined, disposition, keepAiPaused });
    onClose();
    onDone();
  }

  return (
    <Dialog title={title} open onClose={onClose}>
      <form
        className={styles.resolve}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
            event.preventDefault();
            submit();
          }
          const choice = DISPOSITIONS[Number(event.key) - 1];
          if (choice && !(event.target instanceof HTMLTextAreaElement)) {
            setDisposition(choice);
          }
        }}
      >
        <fieldset>
          <legend>
            Was a person needed? <span>Optional. It trains the threshold.</span>
          </legend>
          {DISPOSITIONS.map((value, index) => (
            <label key={value} data-checked={disposition === value}>
              <input
                type="radio"
                name="disposition"
                value={value}
                checked={disposition === value}
                autoFocus={value === (before?.disposition ?? DISPOSITIONS[0])}
                onChange={() => setDisposition(value)}
              />
              <span>{DISPOSITION[value]}</span>
              <kbd>{index + 1}</kbd>
            </label>
          ))}
        </fieldset>
        <TextArea
          label="Note for the team"
          hint="The customer never sees it."
          value={note}
          maxLength={2000}
          onChange={(event) => setNote(event.target.value)}
        />
        <Checkbox
          checked={keepAiPaused}
          disabled={answers}
          onValue={setChosen}
          hint={
            answers
              ? "The AI answers again already. Pause it in the conversation to stop it."
              : "Otherwise the conversation goes back to the AI, as the settings say."
          }
        >
          Keep AI paused
        </Checkbox>
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Resolve
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
