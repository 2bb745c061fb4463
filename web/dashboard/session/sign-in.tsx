/** Signing in, as a page and as a dialog over the page. */

import { useState } from "react";
import { CurrentViewerDocument, SignInDocument } from "../../gql/operations";
import { Button, LinkButton } from "../../ui/button";
import { Banner } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { Icon } from "../../ui/icon";
import { Dialog } from "../../ui/overlay";
import { CallError, execute } from "../api";
import { appPath } from "../base";
import { keys, queryClient } from "../cache";
import { useTitle } from "../page";
import { addressFor, readProvider, takeRefusal, takesPasswords } from "./provider";
import styles from "./session.module.css";
import { signedOut } from "./state";

const provider = readProvider(document);
const passwords = takesPasswords(document);
// Before the router changes the address.
const refusal = takeRefusal();

/** Read who is signed in, and go on where the session ended. Another member starts with nothing of the last one. */
async function resume(previousId: string | undefined) {
  const viewer = await execute(CurrentViewerDocument, {});
  if (previousId && viewer.viewer.member?.id !== previousId) {
    location.reload();
    return;
  }
  queryClient.setQueryData(keys.viewer, viewer);
  signedOut.set(false);
  queryClient.invalidateQueries();
}

/** The ways of signing in that the service offers. */
function SignInWays(member: { previousId?: string | undefined; email?: string | undefined }) {
  const path = location.pathname.slice(appPath.length) + location.search;
  return (
    <>
      {passwords && <SignInForm {...member} />}
      {provider && (
        <LinkButton look={passwords ? "plain" : "primary"} href={addressFor(provider, path)}>
          Sign in with {provider.name}
        </LinkButton>
      )}
    </>
  );
}

function SignInForm({
  previousId,
  email = "",
}: {
  previousId?: string | undefined;
  email?: string | undefined;
}) {
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [needsCode, setNeedsCode] = useState(false);

  const submit = useSubmit(async (sent) => {
    const form = new FormData(sent);
    setBusy(true);
    setError(undefined);
    try {
      const code = form.get("code");
      const { signIn } = await execute(SignInDocument, {
        email: String(form.get("email")),
        password: String(form.get("password")),
        code: code ? String(code) : null,
      });
      if (signIn) {
        await resume(previousId);
      }
    } catch (failure) {
      if (failure instanceof CallError && failure.code === "SECOND_FACTOR_REQUIRED") {
        setNeedsCode(true);
        return;
      }
      setError(faultOf(failure));
    } finally {
      setBusy(false);
    }
  });

  return (
    <form className={styles.form} onSubmit={submit}>
      <TextField
        label="Email"
        name="email"
        type="email"
        autoComplete="username"
        required
        defaultValue={email}
        // A refusal is read out first.
        autoFocus={!email && !refusal}
      />
      <TextField
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        autoFocus={Boolean(email)}
        error={needsCode ? undefined : error}
      />
      {needsCode && (
        <TextField
          label="Code"
          name="code"
          autoComplete="one-time-code"
          required
          autoFocus
          hint="From your authenticator, or a recovery code."
          error={error}
        />
      )}
      <Button look="primary" type="submit" isDisabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}

function faultOf(failure: unknown): string {
  if (failure instanceof CallError && failure.code === "UNAUTHENTICATED") {
    return "The email or the password is wrong.";
  }
  if (failure instanceof CallError && failure.field === "code") {
    return "The code is wrong or was used before.";
  }
  return (failure as Error).message;
}

export function SignInPage() {
  useTitle("Sign in");
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <p className={styles.brand}>
          <Icon name="spark" size={20} /> Baton
        </p>
        <h1>Sign in</h1>
        {refusal && <Banner tone="danger">{refusal}</Banner>}
        <SignInWays />
      </div>
    </main>
  );
}

/** Asks for the password again without leaving the page, so that drafts and the place in the list stay. */
export function SignInAgain({
  memberId,
  email,
}: {
  memberId: string | undefined;
  email: string | undefined;
}) {
  return (
    <Dialog title="Your session has ended" open required onClose={() => {}}>
      <p>Sign in to go on. What you have written is kept.</p>
      <SignInWays previousId={memberId} email={email} />
    </Dialog>
  );
}
