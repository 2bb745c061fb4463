/** Saved replies: texts that “/” inserts into a reply. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import {
  CreateSavedReplyDocument,
  DeleteSavedReplyDocument,
  SavedRepliesDocument,
  type SavedRepliesQuery,
  UpdateSavedReplyDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { EmptyState, ErrorState, SkeletonLines } from "../../ui/feedback";
import { TextArea, TextField } from "../../ui/field";
import { restoreFocus } from "../../ui/focus";
import { useSubmit } from "../../ui/form";
import { ConfirmDialog, Dialog, DialogActions } from "../../ui/overlay";
import { nextOfRow } from "../../ui/rows";
import { showError, showToast } from "../../ui/toast";
import { CallError, execute } from "../api";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { useMay } from "../session/viewer";
import styles from "./team.module.css";

type SavedReply = SavedRepliesQuery["savedReplies"][number];

export function SavedRepliesScreen() {
  const { data, error, refetch } = useQuery({
    queryKey: keys.savedReplies,
    queryFn: () => execute(SavedRepliesDocument, {}),
  });
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const [editing, setEditing] = useState<SavedReply | "new">();
  const [asked, setAsked] = useState<{ reply: SavedReply; next: HTMLElement | undefined }>();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.savedReplies });

  async function remove({ id, title }: SavedReply, next: HTMLElement | undefined) {
    try {
      await execute(DeleteSavedReplyDocument, { id });
      showToast(`Deleted ${title}`);
      await reload();
      restoreFocus(next);
    } catch (failure) {
      showError(failure);
    }
  }

  return (
    <Page
      title="Saved replies"
      lead="Type / and the shortcut in a reply. {customer}, {member} and {agent} are filled in."
      actions={
        mayWrite && (
          <Button look="primary" icon="plus" onPress={() => setEditing("new")}>
            New reply
          </Button>
        )
      }
    >
      {!data ? (
        error ? (
          <ErrorState error={error} onRetry={refetch} />
        ) : (
          <SkeletonLines />
        )
      ) : data.savedReplies.length === 0 ? (
        <EmptyState icon="reply" title="No saved reply yet">
          <p>Keep what you write often, and insert it with three keys.</p>
        </EmptyState>
      ) : (
        <ul className={styles.replies}>
          {data.savedReplies.map((reply) => (
            <li key={reply.id}>
              <code>/{reply.shortcut}</code>
              <div>
                <strong>{reply.title}</strong>
                <p>{reply.content}</p>
              </div>
              {mayWrite && (
                <div className={styles.actions}>
                  <Button look="quiet" aria-label={`Edit ${reply.title}`} onPress={() => setEditing(reply)}>
                    Edit
                  </Button>
                  <Button
                    look="quiet"
                    aria-label={`Delete ${reply.title}`}
                    onPress={({ target }) => setAsked({ reply, next: nextOfRow(target) })}
                  >
                    Delete
                  </Button>
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
      {asked && (
        <ConfirmDialog
          title={`Delete ${asked.reply.title}?`}
          button="Delete"
          onClose={() => setAsked(undefined)}
          onConfirm={() => remove(asked.reply, asked.next)}
        >
          The team can no longer insert it.
        </ConfirmDialog>
      )}
      {editing && (
        <EditDialog
          reply={editing === "new" ? undefined : editing}
          onClose={() => setEditing(undefined)}
          onSaved={() => {
            setEditing(undefined);
            reload();
          }}
        />
      )}
    </Page>
  );
}

function EditDialog({
  reply,
  onClose,
  onSaved,
}: {
  reply: SavedReply | undefined;
  onClose(): void;
  onSaved(): void;
}) {
  const [error, setError] = useState<{ field: string | undefined; message: string }>();

  const save = useSubmit(async (form) => {
    const fields = new FormData(form);
    const input = {
      shortcut: String(fields.get("shortcut")).replace(/^\//, ""),
      title: String(fields.get("title")),
      content: String(fields.get("content")),
    };
    try {
      await (reply
        ? execute(UpdateSavedReplyDocument, { id: reply.id, input })
        : execute(CreateSavedReplyDocument, { input }));
      onSaved();
    } catch (failure) {
      setError({
        field: failure instanceof CallError ? failure.field : undefined,
        message: (failure as Error).message,
      });
    }
  });

  const at = (name: string) =>
    error && (error.field ?? "input.shortcut") === `input.${name}` ? error.message : undefined;
  return (
    <Dialog title={reply ? "Edit the reply" : "New reply"} open onClose={onClose}>
      <form onSubmit={save} className={styles.form}>
        <TextField
          label="Shortcut"
          name="shortcut"
          required
          autoFocus
          defaultValue={reply?.shortcut}
          placeholder="refund"
          error={at("shortcut")}
        />
        <TextField label="Title" name="title" required defaultValue={reply?.title} error={at("title")} />
        <TextArea
          label="Text"
          name="content"
          required
          rows={6}
          defaultValue={reply?.content}
          error={at("content")}
        />
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Save
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
