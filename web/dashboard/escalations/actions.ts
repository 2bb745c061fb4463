/** What a team member does to escalations, for one row or for many. */

import {
  ClaimEscalationDocument,
  type Disposition,
  EscalationDetailDocument,
  type EscalationRowFragment,
  type Priority,
  ReopenEscalationDocument,
  ResolveEscalationDocument,
  SetDispositionDocument,
  UpdateEscalationDocument,
} from "../../gql/operations";
import { showError, showToast } from "../../ui/toast";
import { execute, isCode } from "../api";
import { keys, patchEscalationNow, queryClient } from "../cache";
import { refreshEscalations } from "../live";
import { createStore } from "../store";
import { customerName } from "../words";

type Payload = { escalation: EscalationRowFragment } | null | undefined;

const AT_A_TIME = 4;
const UNDO_MS = 5_000;

/** Escalations whose resolution waits for the end of the time to undo it. */
export const resolving = createStore<ReadonlyMap<string, Resolution>>(new Map());

interface Resolution {
  note?: string | undefined;
  disposition?: Disposition | undefined;
  keepAiPaused: boolean;
}

async function run(call: () => Promise<Payload>): Promise<EscalationRowFragment | undefined> {
  const row = (await call())?.escalation;
  if (row) {
    patchEscalationNow(row);
    queryClient.invalidateQueries({ queryKey: keys.escalation(row.id) });
  }
  refreshEscalations.request();
  return row;
}

/** Run one call a row, a few at a time. Returns the failures by row. */
async function runEach(
  rows: readonly EscalationRowFragment[],
  call: (row: EscalationRowFragment) => Promise<unknown>,
): Promise<[EscalationRowFragment, unknown][]> {
  const failures: [EscalationRowFragment, unknown][] = [];
  const waiting = [...rows];
  const worker = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      try {
        await call(row);
      } catch (error) {
        failures.push([row, error]);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return failures;
}

function summarize(
  done: string,
  rows: readonly EscalationRowFragment[],
  failures: [EscalationRowFragment, unknown][],
) {
  const [failure] = failures;
  const worked = rows.length - failures.length;
  if (failure) {
    const [row, error] = failure;
    const rest = failures.length > 1 ? ` ${failures.length - 1} more failed.` : "";
    showToast(
      `${worked ? `${done} ${worked}. ` : ""}${customerName(row.conversation.customer)}: ${(error as Error).message}${rest}`,
      {
        tone: "danger",
        duration: 10_000,
      },
    );
  } else if (rows.length > 1) {
    showToast(`${done} ${worked} escalations`);
  }
}

export async function claim(rows: readonly EscalationRowFragment[]) {
  const failures = await runEach(rows, async (row) => {
    try {
      await run(async () => (await execute(ClaimEscalationDocument, { id: row.id })).claimEscalation);
    } catch (error) {
      throw isCode(error, "CONFLICT") ? new Error(await nameWinner(row, error as Error)) : error;
    }
  });
  summarize("Claimed", rows, failures);
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

/** Resolve after five seconds, unless it is undone. Leaving the page resolves immediately. */
export function resolve(rows: readonly EscalationRowFragment[], resolution: Resolution) {
  resolving.set(new Map([...resolving.get(), ...rows.map((row) => [row.id, resolution] as const)]));
  let waiting = true;

  function stopWaiting(): boolean {
    const was = waiting;
    waiting = false;
    clearTimeout(timer);
    window.removeEventListener("pagehide", commit);
    return was;
  }

  function clear() {
    resolving.set(new Map([...resolving.get()].filter(([id]) => !rows.some((row) => row.id === id))));
  }

  async function commit() {
    if (stopWaiting()) {
      const failures = await runEach(rows, (row) => run(() => sendResolution(row.id, resolution)));
      clear();
      summarize("Resolved", rows, failures);
    }
  }

  const timer = setTimeout(commit, UNDO_MS);
  window.addEventListener("pagehide", commit);
  const [first] = rows;
  const what =
    rows.length === 1 && first ? customerName(first.conversation.customer) : `${rows.length} escalations`;
  showToast(`Resolving ${what}`, {
    duration: UNDO_MS,
    action: { text: "Undo", run: () => stopWaiting() && clear() },
  });
}

async function sendResolution(id: string, resolution: Resolution): Promise<Payload> {
  const input = { escalationId: id, ...resolution };
  return (await execute(ResolveEscalationDocument, { input }, { keepalive: true })).resolveEscalation;
}
