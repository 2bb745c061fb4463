/** The team: members, their roles, who is available, and invitations. */

import { useState } from "react";
import {
  CreateMemberDocument,
  type MemberRole,
  type MembersQuery,
  RemoveMemberDocument,
  ResetSecondFactorDocument,
  UpdateMemberDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Avatar, Badge, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Select, TextField } from "../../ui/field";
import { useSubmit } from "../../ui/form";
import { ConfirmDialog, Dialog, DialogActions } from "../../ui/overlay";
import { showError } from "../../ui/toast";
import ui from "../../ui/ui.module.css";
import { execute } from "../api";
import { appPath } from "../base";
import { keys, queryClient } from "../cache";
import { Page } from "../page";
import { useMay, useMembers, useViewer } from "../session/viewer";
import { Secret } from "../settings/secret";
import { formatDay } from "../words";
import styles from "./team.module.css";

const ROLES: [MemberRole, string][] = [
  ["ADMIN", "Admin: everything"],
  ["AGENT", "Agent: answers, no settings"],
  ["VIEWER", "Viewer: reads only"],
];

type Member = MembersQuery["members"][number];

/** What an admin does to a member only after a question. */
interface Step {
  title(name: string): string;
  text: string;
  button: string;
  run(id: string): Promise<unknown>;
}

const REMOVE: Step = {
  title: (name) => `Remove ${name}?`,
  text: "They are signed out everywhere and get no more notifications by email. What they wrote stays.",
  button: "Remove",
  run: (id) => execute(RemoveMemberDocument, { id }),
};
const RESET: Step = {
  title: (name) => `Reset the second factor of ${name}?`,
  text: "Do this if they have lost it, and be sure who asks. They are signed out everywhere, and sign in with the password.",
  button: "Reset",
  run: (id) => execute(ResetSecondFactorDocument, { id }),
};

export function TeamScreen() {
  const { data, error, refetch } = useMembers();
  const isAdmin = useMay("ADMIN");
  const [inviting, setInviting] = useState(false);
  const [asked, setAsked] = useState<{ member: Member; step: Step }>();
  const [link, setLink] = useState<string>();
  const reload = () => queryClient.invalidateQueries({ queryKey: keys.members });

  async function act(action: () => Promise<unknown>) {
    try {
      await action();
      reload();
    } catch (failure) {
      showError(failure);
    }
  }

  return (
    <Page
      title="Team"
      lead="Who answers, and who is ready to take escalations now."
      actions={
        isAdmin && (
          <Button look="primary" icon="plus" onPress={() => setInviting(true)}>
            Invite
          </Button>
        )
      }
    >
      {link && <Secret label="Invitation, valid for 7 days" secret={link} />}
      {data ? (
        <div className={ui.tableWrap}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">Now</th>
                <th scope="col">Since</th>
                <th scope="col">
                  <span className={ui.visuallyHidden}>Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {data.members.map((member) => (
                <Row
                  key={member.id}
                  member={member}
                  isAdmin={isAdmin}
                  onRole={(role) => act(() => execute(UpdateMemberDocument, { id: member.id, role }))}
                  onStep={(step) => setAsked({ member, step })}
                />
              ))}
            </tbody>
          </table>
        </div>
      ) : error ? (
        <ErrorState error={error} onRetry={refetch} />
      ) : (
        <SkeletonLines />
      )}
      {inviting && (
        <InviteDialog
          onClose={() => setInviting(false)}
          onInvited={(token) => {
            setInviting(false);
            // The token stands after “#”: it is never sent to a server or written to a log.
            setLink(token ? `${location.origin}${appPath}/invitation#token=${token}` : undefined);
            reload();
          }}
        />
      )}
      {asked && (
        <ConfirmDialog
          title={asked.step.title(asked.member.name)}
          button={asked.step.button}
          onClose={() => setAsked(undefined)}
          onConfirm={() => act(() => asked.step.run(asked.member.id))}
        >
          {asked.step.text}
        </ConfirmDialog>
      )}
    </Page>
  );
}

interface RowProps {
  member: Member;
  isAdmin: boolean;
  onRole(role: MemberRole): void;
  onStep(step: Step): void;
}

function Row({ member, isAdmin, onRole, onStep }: RowProps) {
  const own = useViewer().member?.id === member.id;
  return (
    <tr>
      <td>
        <span className={styles.person}>
          <Avatar name={member.name} />
          <span>
            {member.name}
            {own && " (you)"}
            <small>{member.email}</small>
          </span>
        </span>
      </td>
      <td>
        {isAdmin && !own ? (
          <Select
            label={`Role of ${member.name}`}
            hideLabel
            value={member.role}
            onValue={onRole}
            options={ROLES}
          />
        ) : (
          ROLES.find(([role]) => role === member.role)?.[1]
        )}
      </td>
      <td>
        <Badge tone={member.available ? "ok" : "neutral"}>{member.available ? "Available" : "Away"}</Badge>
      </td>
      <td>{formatDay(member.createdAt)}</td>
      <td>
        {isAdmin && !own && member.hasSecondFactor && (
          <Button look="quiet" onPress={() => onStep(RESET)}>
            Reset second factor
          </Button>
        )}
        {isAdmin && !own && (
          <Button look="quiet" onPress={() => onStep(REMOVE)}>
            Remove
          </Button>
        )}
      </td>
    </tr>
  );
}

function InviteDialog({
  onClose,
  onInvited,
}: {
  onClose(): void;
  onInvited(token: string | null | undefined): void;
}) {
  const [role, setRole] = useState<MemberRole>("AGENT");
  const [error, setError] = useState<string>();

  const invite = useSubmit(async (form) => {
    const fields = new FormData(form);
    try {
      const { createMember } = await execute(CreateMemberDocument, {
        input: { email: String(fields.get("email")), name: String(fields.get("name")), role },
      });
      onInvited(createMember?.invitationToken);
    } catch (failure) {
      setError((failure as Error).message);
    }
  });

  return (
    <Dialog title="Invite a colleague" open onClose={onClose}>
      <form onSubmit={invite} className={styles.form}>
        <TextField label="Name" name="name" required autoFocus />
        <TextField label="Email" name="email" type="email" required error={error} />
        <Select label="Role" value={role} onValue={(value: MemberRole) => setRole(value)} options={ROLES} />
        <p>Baton shows a link to pass on. It sends no email.</p>
        <DialogActions>
          <Button onPress={onClose}>Cancel</Button>
          <Button look="primary" type="submit">
            Create the invitation
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
