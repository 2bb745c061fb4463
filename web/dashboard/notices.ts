/** Notices outside the page: desktop notices and a sound, for the member's own queue and what has no assignee. */

import type { EscalationRowFragment } from "../gql/operations";
import { appPath } from "./base";
import { isOwnAct } from "./own-acts";
import { desktopNotices, sound } from "./preferences";
import { reasonWords } from "./words";

/** Events of one moment, such as those after an outage, sound once. */
const BURST = 3_000;

let memberId: string | undefined;
let audio: AudioContext | undefined;
let soundedAt = 0;

export function setNoticeMember(id: string | undefined) {
  memberId = id;
}

/** Return the text for an event, or nothing if it is not for this member. */
export function noticeText(
  kind: string,
  row: EscalationRowFragment,
  member: string | undefined,
): string | undefined {
  const who = row.conversation.customer.name ?? row.conversation.customer.email ?? "A visitor";
  const mine = row.assignee?.id === member;
  if (row.status === "RESOLVED" || (row.assignee && !mine)) {
    return undefined;
  }
  if (kind === "created" || kind === "reopened") {
    return mine ? `${who} waits for you` : `${who} waits for a person`;
  }
  if (kind === "assigned" && mine) {
    return `You are assigned to ${who}`;
  }
  return undefined;
}

export function noticeEscalation(kind: string, row: EscalationRowFragment) {
  const text = noticeText(kind, row, memberId);
  if (text && !isOwnAct(row.id, row.conversation.id)) {
    notify(text, row);
  }
}

export function noticeSla(row: EscalationRowFragment) {
  const relevant = row.sla.outcome === "RUNNING" && (!row.assignee || row.assignee.id === memberId);
  if (relevant && row.sla.status !== "ON_TRACK") {
    const who = row.conversation.customer.name ?? row.conversation.customer.email ?? "a visitor";
    notify(
      row.sla.status === "BREACHED" ? `The answer to ${who} is overdue` : `The answer to ${who} is due soon`,
      row,
    );
  }
}

function notify(text: string, row: EscalationRowFragment) {
  if (sound.get() && Date.now() - soundedAt >= BURST) {
    soundedAt = Date.now();
    playSound();
  }
  if (
    desktopNotices.get() &&
    document.visibilityState !== "visible" &&
    Notification.permission === "granted"
  ) {
    show(text, { body: row.detail ?? reasonWords(row), tag: row.id }, () =>
      location.assign(`${appPath}/escalations/${row.id}`),
    );
  }
}

/** Show a desktop notice; returns whether the browser can: on Android only a service worker could. */
function show(title: string, options: NotificationOptions, open: () => void): boolean {
  try {
    new Notification(title, options).onclick = () => {
      window.focus();
      open();
    };
    return true;
  } catch {
    return false;
  }
}

/** Play two soft tones. Browsers allow it after a gesture on the page. */
export function playSound() {
  audio ??= new AudioContext();
  audio.resume();
  for (const [start, pitch] of [
    [0, 660],
    [0.14, 880],
  ] as const) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const begin = audio.currentTime + start;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, begin);
    volume.gain.linearRampToValueAtTime(0.12, begin + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + 0.32);
  }
}

/** Ask the browser for permission, and show a sample; returns whether notices can be shown. */
export async function allowDesktopNotices(): Promise<boolean> {
  return (
    "Notification" in window &&
    (await Notification.requestPermission()) === "granted" &&
    show("Notices look like this", { body: "They open the escalation.", tag: "sample" }, () => {})
  );
}
