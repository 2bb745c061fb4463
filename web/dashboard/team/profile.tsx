/** The member's own name, password, notices and keys. */

import { useState } from "react";
import { ChangePasswordDocument, UpdateMemberDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Select, Switch, TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { keys, queryClient } from "../cache";
import { allowDesktopNotices, playSound } from "../notices";
import { Page } from "../page";
import { desktopNotices, singleKeys, sound, type Theme, theme } from "../preferences";
import { useViewer } from "../session/viewer";
import { useStore } from "../store";
import { SecondFactor } from "./second-factor";
import { SessionList } from "./sessions";
import styles from "./team.module.css";

export function ProfileScreen() {
  const { member } = useViewer();
  return (
    <Page title="Profile and notices" lead={member?.email}>
      {member && <NameForm id={member.id} name={member.name} />}
      <Notices />
      <Appearance />
      <PasswordForm />
      {member && <SecondFactor enabled={member.hasSecondFactor} />}
      {member && <SessionList />}
    </Page>
  );
}

function NameForm({ id, name }: { id: string; name: string }) {
  const save = useSubmit(async (form) => {
    try {
      await execute(UpdateMemberDocument, {
        id,
        name: String(new FormData(form).get("name")),
      });
      queryClient.invalidateQueries({ queryKey: keys.viewer });
      showToast("Saved");
    } catch (error) {
      showError(error);
    }
  });
  return (
    <form className={styles.block} onSubmit={save}>
      <TextField
        label="Name"
        name="name"
        defaultValue={name}
        required
        hint="Customers see it on your replies."
      />
      <div>
        <Button type="submit">Save the name</Button>
      </div>
    </form>
  );
}

function Notices() {
  const desktop = useStore(desktopNotices);
  const loud = useStore(sound);
  return (
    <section className={styles.block} aria-label="Notices">
      <h2>Notices</h2>
      <p>
        For escalations without assignee and for your own: new, assigned to you, due soon, overdue. Kept in
        this browser.
      </p>
      <Switch
        checked={desktop}
        onValue={async (wanted) => {
          const allowed = wanted && (await allowDesktopNotices());
          desktopNotices.set(allowed);
          if (wanted && !allowed) {
            showToast("The browser does not allow notices from this page.", { tone: "danger" });
          }
        }}
      >
        Desktop notices while the page is not in sight
      </Switch>
      <Switch
        checked={loud}
        onValue={(wanted) => {
          sound.set(wanted);
          if (wanted) {
            playSound();
          }
        }}
      >
        A sound
      </Switch>
      <div>
        <Button icon="bell" onPress={playSound}>
          Test the sound
        </Button>
      </div>
    </section>
  );
}

function Appearance() {
  const chosen = useStore(theme);
  const keysOn = useStore(singleKeys);
  return (
    <section className={styles.block} aria-label="This browser">
      <h2>This browser</h2>
      <Select
        label="Theme"
        value={chosen}
        onValue={(value: Theme) => theme.set(value)}
        options={[
          ["auto", "As the device"],
          ["light", "Light"],
          ["dark", "Dark"],
        ]}
      />
      <Switch
        checked={keysOn}
        onValue={(value) => singleKeys.set(value)}
        hint="J, K, C and the like. Press ? to see them all."
      >
        Single keys
      </Switch>
    </section>
  );
}

function PasswordForm() {
  const [error, setError] = useState<string>();

  const save = useSubmit(async (form) => {
    const data = new FormData(form);
    setError(undefined);
    try {
      await execute(ChangePasswordDocument, {
        current: String(data.get("current")),
        new: String(data.get("new")),
      });
      form.reset();
      showToast("The password is changed");
    } catch (failure) {
      setError((failure as Error).message);
    }
  });
  return (
    <form className={styles.block} onSubmit={save}>
      <h2>Password</h2>
      <TextField
        label="Current password"
        name="current"
        type="password"
        autoComplete="current-password"
        required
      />
      <TextField
        label="New password"
        name="new"
        type="password"
        autoComplete="new-password"
        required
        error={error}
      />
      <div>
        <Button type="submit">Change the password</Button>
      </div>
    </form>
  );
}
