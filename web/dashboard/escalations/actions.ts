/** What a team member does to escalations, for one row or for many. */

import {
  ClaimEscalationDocument,
  type Disposition,
  EscalationDetailDocument,
  type EscalationRowFragment,
  type Priority,
  ReopenEscalationDocument,
  SetDispositionDocument,
  UpdateEscalationDocument,
} from "../../gql/operations";
import { showError } from "../../ui/toast";
import { execute, isCode } from "../api";
import { keys, patchEscalationNow, queryClient } from "../cache";
import { run, runEach, summarize } from "./calls";

export { resolve, resolving } from "./resolution";

/** The escalations whose claim is being sent. */
const claiming = new Set<string>();

/** Claim the escalations. The second press of a double click sends nothing. */
export async function claim(rows: readonly EscalationRowFragment[]) {
  const free = rows.filter(({ id }) => !claiming.has(id));
  for (const { id } of free) {
    claiming.add(id);
  }
  const failures = await runEach(free, async (row) => {
    try {
      await run(async () => (await execute(ClaimEscalationDocument, { id: row.id })).claimEscalation);
    } catch (error) {
      throw isCode(error, "CONFLICT") ? new Error(await nameWinner(row, error as Error)) : error;
    } finally {
      claiming.delete(row.id);
    }
  });
  summarize("Claimed", free, failures);
}

/** Return who has the escalation that could not be claimed. */
async function nameWinner(row: EscalationRowFragment, error: Error): Promise<string> {
  const { escalation } = await execute(EscalationDetailDocument, { id: row.id });
  if (escalation) {
    patchEscalationNow(escalation);
  }
  return escalation?.assignee ? `${escalation.assignee.name} was first.` : error.message;
}

export async function assign(rows: readonly EscalationRowFragment[], email: string) {
  const failures = await runEach(rows, (row) =>
    run(
      async () =>
        (await execute(UpdateEscalationDocument, { input: { escalationId: row.id, assignTo: email } }))
          .updateEscalation,
    ),
  );
  summarize(email ? "Assigned" : "Unassigned", rows, failures);
}

export async function setPriority(rows: readonly EscalationRowFragment[], priority: Priority) {
  const failures = await runEach(rows, (row) =>
    run(
      async () =>
        (await execute(UpdateEscalationDocument, { input: { escalationId: row.id, priority } }))
          .updateEscalation,
    ),
  );
  summarize("Changed the priority of", rows, failures);
}

export async function addNote(id: string, note: string) {
  await run(
    async () =>
      (await execute(UpdateEscalationDocument, { input: { escalationId: id, note } })).updateEscalation,
  );
}

export async function reopen(row: EscalationRowFragment) {
  try {
    await run(async () => (await execute(ReopenEscalationDocument, { id: row.id })).reopenEscalation);
  } catch (error) {
    showError(error);
  }
}

export async function setDisposition(id: string, disposition: Disposition | null) {
  try {
    await run(async () => (await execute(SetDispositionDocument, { id, disposition })).setDisposition);
    queryClient.invalidateQueries({ queryKey: keys.analytics });
  } catch (error) {
    showError(error);
  }
}
