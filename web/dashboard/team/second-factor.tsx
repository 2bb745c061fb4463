/** The member's second factor: enrolling an authenticator, and removing it. */

import { lazy, Suspense, useState } from "react";
import {
  ConfirmSecondFactorDocument,
  EnrolSecondFactorDocument,
  RemoveSecondFactorDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { SkeletonLines } from "../../ui/feedback";
import { TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { showToast } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { loadPart } from "../lazy-part";
import styles from "./team.module.css";

const loadCode = loadPart(() => import("./enrolment-code"), "EnrolmentCode");
const EnrolmentCode = lazy(async () => ({ default: (await loadCode()).EnrolmentCode }));

interface Enrolment {
  secret: string;
  uri: string;
}

export function SecondFactor({ enabled }: { enabled: boolean }) {
  const [enrolment, setEnrolment] = useState<Enrolment>();
  const [codes, setCodes] = useState<readonly string[]>();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.viewer });
  return (
    <section className={styles.block} aria-label="Second factor">
      <h2>Second factor</h2>
      {codes && <RecoveryCodes codes={codes} />}
      {enabled ? (
        <RemoveForm
          onRemoved={() => {
            setCodes(undefined);
            reload();
          }}
        />
      ) : enrolment ? (
        <ConfirmForm
          enrolment={enrolment}
          onConfirmed={(made) => {
            setEnrolment(undefined);
            setCodes(made);
            reload();
          }}
        />
      ) : (
        <EnrolForm onEnrolled={setEnrolment} />
      )}
    </section>
  );
}

/** Return the last error, and a handler of the form that sends its fields. */
function useForm(send: (field: (name: string) => string) => Promise<void>) {
  const [error, setError] = useState<string>();
  const onSubmit = useSubmit(async (form) => {
    const data = new FormData(form);
    setError(undefined);
    try {
      await send((name) => String(data.get(name)));
    } catch (failure) {
      setError((failure as Error).message);
    }
  });
  return { error, onSubmit };
}

function EnrolForm({ onEnrolled }: { onEnrolled(enrolment: Enrolment): void }) {
  const { error, onSubmit } = useForm(async (field) => {
    const { enrolSecondFactor } = await execute(EnrolSecondFactorDocument, { password: field("password") });
    if (enrolSecondFactor) {
      onEnrolled(enrolSecondFactor);
    }
  });
  return (
    <form onSubmit={onSubmit} className={styles.form}>
      <p>Signing in then also takes a code of an authenticator app on your phone.</p>
      <TextField
        label="Your password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
        error={error}
      />
      <div>
        <Button type="submit">Set up a second factor</Button>
      </div>
    </form>
  );
}

function ConfirmForm({
  enrolment,
  onConfirmed,
}: {
  enrolment: Enrolment;
  onConfirmed(codes: readonly string[]): void;
}) {
  const { error, onSubmit } = useForm(async (field) => {
    const { confirmSecondFactor } = await execute(ConfirmSecondFactorDocument, { code: field("code") });
    if (confirmSecondFactor) {
      onConfirmed(confirmSecondFactor.codes);
    }
  });
  return (
    <form onSubmit={onSubmit} className={styles.form}>
      <p>
        Scan this code with your authenticator, enter the key below it, or{" "}
        <a href={enrolment.uri}>open it there</a>. It is shown this once.
      </p>
      <Suspense fallback={<SkeletonLines />}>
        <EnrolmentCode uri={enrolment.uri} />
      </Suspense>
      <code>{enrolment.secret}</code>
      <TextField label="Code" name="code" autoComplete="one-time-code" required autoFocus error={error} />
      <div>
        <Button look="primary" type="submit">
          Confirm
        </Button>
      </div>
    </form>
  );
}

function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  return (
    <>
      <p>
        Keep these recovery codes. Each replaces a code once, if you lose your phone. They are shown this
        once.
      </p>
      <ul className={styles.codes}>
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </>
  );
}

function RemoveForm({ onRemoved }: { onRemoved(): void }) {
  const { error, onSubmit } = useForm(async (field) => {
    await execute(RemoveSecondFactorDocument, { password: field("password"), code: field("code") });
    showToast("The second factor is removed");
    onRemoved();
  });
  return (
    <form onSubmit={onSubmit} className={styles.form}>
      <p>Signing in takes a code of your authenticator.</p>
      <TextField
        label="Your password"
        name="password"
        type="password"
        autoComplete="current-password"
        required
      />
      <TextField label="Code" name="code" autoComplete="one-time-code" required error={error} />
      <div>
        <Button type="submit">Remove the second factor</Button>
      </div>
    </form>
  );
}
