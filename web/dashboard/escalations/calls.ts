/** Calls that change escalations, for one row or for many, and what the member reads about them. */

import type { EscalationRowFragment } from "../../gql/operations";
import { showToast } from "../../ui/toast";
import { keys, patchEscalationNow, queryClient } from "../cache";
import { refreshEscalations } from "../live";
import { customerName } from "../words";

export type Payload = { escalation: EscalationRowFragment } | null | undefined;
export type Failures = readonly (readonly [EscalationRowFragment, unknown])[];

const AT_A_TIME = 4;

/** Make a call that changes an escalation, and show what it has become. */
export async function run(call: () => Promise<Payload>) {
  const row = (await call())?.escalation;
  if (row) {
    patchEscalationNow(row);
    queryClient.invalidateQueries({ queryKey: keys.escalation(row.id) });
  }
  refreshEscalations.request();
}

/** Run one call a row, a few at a time. Returns the failures by row. */
export async function runEach(
  rows: readonly EscalationRowFragment[],
  call: (row: EscalationRowFragment) => Promise<unknown>,
): Promise<Failures> {
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

export function summarize(done: string, rows: readonly EscalationRowFragment[], failures: Failures) {
  const [failure] = failures;
  const worked = rows.length - failures.length;
  if (failure) {
    const [row, error] = failure;
    const rest = failures.length > 1 ? ` ${failures.length - 1} more failed.` : "";
    showToast(
      `${worked ? `${done} ${worked}. ` : ""}${customerName(row.conversation.customer)}: ${(error as Error).message}${rest}`,
      { tone: "danger", duration: 10_000 },
    );
  } else if (rows.length > 1) {
    showToast(`${done} ${worked} escalations`);
  }
}
