/** The team: members, their roles, who is available, and invitations. */

import { type FormEvent, useState } from "react";
import {
  CreateMemberDocument,
  type MemberRole,
  type MembersQuery,
  RemoveMemberDocument,
  UpdateMemberDocument,
} from "../../gql/operations";
import { Button } from "../../ui/button";
import { Avatar, Badge, ErrorState, SkeletonLines } from "../../ui/feedback";
import { Select, TextField } from "../../ui/field";
import { Dialog, DialogActions } from "../../ui/overlay";
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

export function TeamScreen() {
  const { data, error, refetch } = useMembers();
  const isAdmin = useMay("ADMIN");
  const [inviting, setInviting] = useState(false);
  const [leaving, setLeaving] = useState<Member>();
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
                  onRemove={() => setLeaving(member)}
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
      <Dialog
        title={`Remove ${leaving?.name ?? ""}?`}
        open={Boolean(leaving)}
        onClose={() => setLeaving(undefined)}
      >
        <p>They are signed out everywhere. What they wrote stays.</p>
        <DialogActions>
          <Button onPress={() => setLeaving(undefined)}>Cancel</Button>
          <Button
            look="danger"
            onPress={() => {
              const id = leaving?.id as string;
              setLeaving(undefined);
              act(() => execute(RemoveMemberDocument, { id }));
            }}
          >
            Remove
          </Button>
        </DialogActions>
      </Dialog>
    </Page>
  );
}

interface RowProps {
  member: Member;
  isAdmin: boolean;
  onRole(role: MemberRole): void;
  onRemove(): void;
}

function Row({ member, isAdmin, onRole, onRemove }: RowProps) {
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
        {isAdmin && !own && (
          <Button look="quiet" onPress={onRemove}>
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

  async function invite(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    try {
      const { createMember } = await execute(CreateMemberDocument, {
        input: { email: String(form.get("email")), name: String(form.get("name")), role },
      });
      onInvited(createMember?.invitationToken);
    } catch (failure) {
      setError((failure as Error).message);
    }
  }

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
