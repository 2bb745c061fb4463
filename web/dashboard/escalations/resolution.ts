/**
 * Resolutions, which can be undone as long as their notice is shown.
 *
 * No request is sent before the notice closes. Leaving the page sends all of them: browsers let requests with
 * `keepalive` outlive the page, up to 64 KiB of bodies together. Above that the browser asks before leaving.
 */

import {
  type Disposition,
  type EscalationRowFragment,
  ResolveEscalationDocument,
  ResolveOnLeavingDocument,
} from "../../gql/operations";
import { dismissToast, showToast } from "../../ui/toast";
import { execute } from "../api";
import { refreshEscalations } from "../live";
import { createStore } from "../store";
import { customerName } from "../words";
import { run, runEach, summarize } from "./calls";

export interface Resolution {
  note?: string | undefined;
  disposition?: Disposition | undefined;
  keepAiPaused: boolean;
}

const UNDO_MS = 5_000;
/** 64 KiB without what the calls on their way may take of it. */
const LEAVING_BYTES = 56 * 1_024;

/** Escalations whose resolution waits, or is on its way. */
export const resolving = createStore<ReadonlyMap<string, Resolution>>(new Map());

/** Those of `resolving` that no request has been sent for. */
const unsent = new Map<string, Resolution>();
/** The input of resolutions that failed or were undone. */
const kept = new Map<string, Resolution>();
const notices = new Set<number>();

/** Return what was written for exactly these rows before, if it was undone or failed. */
export function keptInput(rows: readonly EscalationRowFragment[]): Resolution | undefined {
  const [first] = rows;
  const input = first && kept.get(first.id);
  return rows.every((row) => kept.get(row.id) === input) ? input : undefined;
}

/** Resolve the rows when their notice closes, unless it is undone. */
export function resolve(chosen: readonly EscalationRowFragment[], resolution: Resolution) {
  const rows = chosen.filter((row) => !resolving.get().has(row.id));
  const [first] = rows;
  if (!first) {
    return;
  }
  for (const row of rows) {
    unsent.set(row.id, resolution);
  }
  resolving.set(new Map([...resolving.get(), ...rows.map((row) => [row.id, resolution] as const)]));
  window.addEventListener("pagehide", sendAllNow);
  window.addEventListener("beforeunload", askBeforeLeaving);
  const what = rows.length === 1 ? customerName(first.conversation.customer) : `${rows.length} escalations`;
  const notice = showToast(`Resolving ${what}`, {
    duration: UNDO_MS,
    onClose() {
      notices.delete(notice);
      void send(rows, resolution);
    },
    action: {
      text: "Undo",
      run() {
        notices.delete(notice);
        undo(rows, resolution);
      },
    },
  });
  notices.add(notice);
}

function undo(rows: readonly EscalationRowFragment[], resolution: Resolution) {
  for (const row of rows) {
    kept.set(row.id, resolution);
  }
  finish(rows.map((row) => row.id));
}

async function send(rows: readonly EscalationRowFragment[], resolution: Resolution) {
  const waiting = rows.filter((row) => unsent.has(row.id));
  if (!waiting.length) {
    return;
  }
  const failures = await runEach(waiting, async (row) => {
    // Leaving the page may have sent it meanwhile.
    if (unsent.delete(row.id)) {
      await run(() => sendResolution(row.id, resolution));
      kept.delete(row.id);
    }
  });
  for (const [row] of failures) {
    kept.set(row.id, resolution);
  }
  finish(waiting.map((row) => row.id));
  summarize("Resolved", waiting, failures);
}

function finish(ids: readonly string[]) {
  for (const id of ids) {
    unsent.delete(id);
  }
  resolving.set(new Map([...resolving.get()].filter(([id]) => !ids.includes(id))));
  if (!unsent.size) {
    window.removeEventListener("pagehide", sendAllNow);
    window.removeEventListener("beforeunload", askBeforeLeaving);
  }
}

async function sendResolution(id: string, resolution: Resolution) {
  const input = { escalationId: id, ...resolution };
  return (await execute(ResolveEscalationDocument, { input }, { keepalive: true })).resolveEscalation;
}

async function sendOnLeaving(id: string, resolution: Resolution) {
  try {
    const input = { escalationId: id, ...resolution };
    await execute(ResolveOnLeavingDocument, { input }, { keepalive: true });
    kept.delete(id);
  } catch {
    kept.set(id, resolution);
  }
  // The page may come back from the browser's cache.
  finish([id]);
  refreshEscalations.request();
}

function sendAllNow() {
  const all = [...unsent];
  unsent.clear();
  for (const [id, resolution] of all) {
    void sendOnLeaving(id, resolution);
  }
  for (const notice of notices) {
    dismissToast(notice);
  }
}

function askBeforeLeaving(event: BeforeUnloadEvent) {
  const query = ResolveOnLeavingDocument.toString();
  const bodies = [...unsent].map(([id, resolution]) => JSON.stringify({ query, id, ...resolution }));
  if (new Blob(bodies).size > LEAVING_BYTES) {
    event.preventDefault();
  }
}
