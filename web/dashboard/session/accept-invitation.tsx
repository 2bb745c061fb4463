/** The page that an invitation's link opens: choose a password and sign in. */

import { useState } from "react";
import { AcceptInvitationDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { Icon } from "../../ui/icon";
import { execute } from "../api";
import { appPath } from "../base";
import { useTitle } from "../page";
import styles from "./session.module.css";

export function AcceptInvitationPage() {
  useTitle("Accept the invitation");
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const submit = useSubmit(async (sent) => {
    const form = new FormData(sent);
    setBusy(true);
    try {
      await execute(AcceptInvitationDocument, {
        token: String(form.get("token") ?? token),
        password: String(form.get("password")),
      });
      location.assign(`${appPath}/escalations`);
    } catch (failure) {
      setError((failure as Error).message);
      setBusy(false);
    }
  });

  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <p className={styles.brand}>
          <Icon name="spark" size={20} /> Baton
        </p>
        <h1>Join the team</h1>
        <form className={styles.form} onSubmit={submit}>
          {!token && (
            <TextField label="Invitation" name="token" required hint="The text that begins with baton_in_" />
          )}
          <TextField
            label="Choose a password"
            name="password"
            type="password"
            autoComplete="new-password"
            required
            minLength={10}
            hint="At least 10 characters"
            error={error}
          />
          <Button look="primary" type="submit" isDisabled={busy}>
            Set the password and sign in
          </Button>
        </form>
      </div>
    </main>
  );
}
