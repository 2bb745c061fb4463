/** API keys: their scopes, owner, end and last use. A key is shown once. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import {
  ApiKeysDocument,
  type ApiKeysQuery,
  CreateApiKeyDocument,
  RevokeApiKeyDocument,
  RotateApiKeyDocument,
  type Scope,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Badge, EmptyState, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Checkbox, TextField } from "../../ui/field";
import { restoreFocus } from "../../ui/focus";
import { useSubmit } from "../../ui/form";
import { ConfirmDialog, Dialog, DialogActions } from "../../ui/overlay";
import { showError, showToast } from "../../ui/toast";
import ui from "../../ui/ui.module.css";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { Secret } from "../settings/secret";
import { formatDay, formatTime } from "../words";
import styles from "./team.module.css";

const SCOPES: [Scope, string][] = [
  ["CONVERSATIONS_WRITE", "Start conversations and record messages"],
  ["CONVERSATIONS_READ", "Read conversations"],
  ["ESCALATIONS_READ", "Read escalations"],
  ["ESCALATIONS_WRITE", "Reply, assign and resolve"],
  ["SETTINGS_READ", "Read settings"],
  ["SETTINGS_WRITE", "Change settings"],
  ["ANALYTICS_READ", "Read analytics"],
  ["ADMIN", "Members, API keys, webhook secrets"],
];

export function ApiKeysScreen() {
  const { data, error, refetch } = useQuery({
    queryKey: keys.apiKeys,
    queryFn: () => execute(ApiKeysDocument, {}),
  });
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<ApiKeysQuery["apiKeys"][number]>();
  const [secret, setSecret] = useState<string>();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.apiKeys });

  async function revoke(id: string) {
    try {
      await execute(RevokeApiKeyDocument, { id });
      await reload();
      // The button that had the focus is gone.
      restoreFocus();
    } catch (failure) {
      showError(failure);
    }
  }

  async function rotate(id: string) {
    try {
      const { rotateApiKey } = await execute(RotateApiKeyDocument, { id });
      setSecret(rotateApiKey?.key);
      reload();
      showToast("The old key stays valid for 24 hours");
    } catch (failure) {
      showError(failure);
    }
  }

  return (
    <Page
      title="API keys"
      lead="For your AI agent's back end and other programs."
      actions={
        <Button look="primary" icon="plus" onPress={() => setCreating(true)}>
          Create a key
        </Button>
      }
    >
      {secret && <Secret label="API key" secret={secret} />}
      {!data ? (
        error ? (
          <ErrorState error={error} onRetry={refetch} />
        ) : (
          <SkeletonLines />
        )
      ) : data.apiKeys.length === 0 ? (
        <EmptyState icon="key" title="There is no API key" />
      ) : (
        <div className={ui.tableWrap}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Begins with</th>
                <th scope="col">Scopes</th>
                <th scope="col">Last used</th>
                <th scope="col">Created</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span className={ui.visuallyHidden}>Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.apiKeys.map((key) => (
                <tr key={key.id}>
                  <td>{key.name}</td>
                  <td>
                    <code>{key.prefix}…</code>
                  </td>
                  <td>
                    {key.scopes.length === SCOPES.length
                      ? "All"
                      : key.scopes.map((scope) => scope.toLowerCase().replace("_", " ")).join(", ")}
                  </td>
                  <td>
                    {key.lastUsedAt ? formatTime(key.lastUsedAt) : "Never"}
                    {key.lastAddress && <div className={styles.detail}>{key.lastAddress}</div>}
                  </td>
                  <td>
                    {formatDay(key.createdAt)}
                    {key.owner && <div className={styles.detail}>{key.owner.name}</div>}
                  </td>
                  <td>{key.expiresAt ? formatDay(key.expiresAt) : "Never"}</td>
                  <td>
                    {key.revokedAt ? (
                      <Badge>Revoked</Badge>
                    ) : hasEnded(key.expiresAt) ? (
                      <Badge>Ended</Badge>
                    ) : (
                      <>
                        <Button look="quiet" onPress={() => rotate(key.id)}>
                          Rotate
                        </Button>
                        <Button look="quiet" onPress={() => setRevoking(key)}>
                          Revoke
                        </Button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {revoking && (
        <ConfirmDialog
          title={`Revoke ${revoking.name}?`}
          button="Revoke"
          onClose={() => setRevoking(undefined)}
          onConfirm={() => revoke(revoking.id)}
        >
          Baton refuses this key immediately, and an AI agent that uses it stops working. To replace it
          without a break, rotate it.
        </ConfirmDialog>
      )}
      {creating && (
        <CreateDialog
          onClose={() => setCreating(false)}
          onCreated={(key) => {
            setCreating(false);
            setSecret(key);
            reload();
          }}
        />
      )}
    </Page>
  );
}

function hasEnded(expiresAt: string | null | undefined): boolean {
  return expiresAt != null && Date.parse(expiresAt) <= Date.now();
}

function CreateDialog({ onClose, onCreated }: { onClose(): void; onCreated(key: string): void }) {
  const [scopes, setScopes] = useState<ReadonlySet<Scope>>(
    new Set(["CONVERSATIONS_WRITE", "CONVERSATIONS_READ"]),
  );
  const [error, setError] = useState<string>();

  const create = useSubmit(async (form) => {
    const name = String(new FormData(form).get("name"));
    try {
      const { createApiKey } = await execute(CreateApiKeyDocument, { input: { name, scopes: [...scopes] } });
      if (createApiKey) {
        onCreated(createApiKey.key);
      }
    } catch (failure) {
      setError((failure as Error).message);
    }
  });

  return (
    <Dialog title="Create an API key" open onClose={onClose}>
      <form onSubmit={create} className={styles.form}>
        <TextField label="Name" name="name" required autoFocus placeholder="Shop back end" error={error} />
        <fieldset className={styles.scopes}>
          <legend>It may</legend>
          {SCOPES.map(([scope, text]) => (
            <Checkbox
              key={scope}
              checked={scopes.has(scope)}
              onValue={(checked) => {
                const next = new Set(scopes);
                if (checked) {
                  next.add(scope);
                } else {
                  next.delete(scope);
                }
                setScopes(next);
              }}
            >
              {text}
            </Checkbox>
          ))}
        </fieldset>
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit" isDisabled={scopes.size === 0}>
            Create
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
