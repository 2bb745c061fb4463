/** Who has control of a conversation, and the menu that changes it. */

import type {
  ConversationDetailQuery,
  ConversationRowFragment,
  EscalationRowFragment,
} from "../../gql/operations";
import { PauseAiDocument, ResumeAiDocument } from "../../gql/operations";
import { IconButton } from "../../ui/button";
import { Badge } from "../../ui/feedback";
import { Menu } from "../../ui/overlay";
import { showError, showToast } from "../../ui/toast";
import { execute } from "../api";
import { appPath } from "../base";
import { patchConversation } from "../cache";
import type { Change } from "../escalations/dialogs";
import { formatFullTime, formatTime } from "../words";

const CAUSES = {
  ESCALATION: "because of an escalation",
  TEAM_MEMBER: "by a team member",
  KEPT_AFTER_RESOLUTION: "kept paused after the resolution",
} as const;

type Control = ConversationRowFragment["ai"];

/** The words of the badge, which are also the place that is kept for it. */
export function ControlWords({ state, pausedAt }: Pick<Control, "state" | "pausedAt">) {
  return state === "ACTIVE" ? (
    <Badge tone="accent" icon="spark">
      AI answers
    </Badge>
  ) : (
    <Badge icon="user">Team has control{pausedAt && ` since ${formatTime(pausedAt)}`}</Badge>
  );
}

export function ControlBadge({ ai }: { ai: Control }) {
  const cause = ai.pausedBy ? CAUSES[ai.pausedBy] : "";
  const since = ai.pausedAt ? `, ${formatFullTime(ai.pausedAt)}` : "";
  const paused = ai.state === "ACTIVE" ? "" : `Paused ${cause}${since}. `;
  return (
    <span title={`${paused}Epoch ${ai.epoch}`}>
      <ControlWords state={ai.state} pausedAt={ai.pausedAt} />
    </span>
  );
}

export async function setAi(id: string, paused: boolean) {
  try {
    const conversation = paused
      ? (await execute(PauseAiDocument, { id })).pauseAi?.conversation
      : (await execute(ResumeAiDocument, { id })).resumeAi?.conversation;
    if (conversation) {
      patchConversation(conversation);
      showToast(paused ? "The AI is paused in this conversation" : "The AI may answer again");
    }
  } catch (error) {
    showError(error);
  }
}

async function copy(text: string, what: string) {
  try {
    await navigator.clipboard.writeText(text);
    showToast(`Copied the ${what}`);
  } catch {
    showToast(`This browser does not allow copying. The ${what}: ${text}`, { duration: 20_000 });
  }
}

export interface ConversationMenuProps {
  conversation: NonNullable<ConversationDetailQuery["conversation"]>;
  escalation?: EscalationRowFragment;
  mayWrite: boolean;
  onChange?(change: Change): void;
}

export function ConversationMenu({ conversation, escalation, mayWrite, onChange }: ConversationMenuProps) {
  const paused = conversation.ai.state === "PAUSED";
  const active = escalation && escalation.status !== "RESOLVED";
  const link = escalation ? `escalations/${escalation.id}` : `conversations/${conversation.id}`;
  return (
    <Menu
      label="Conversation"
      trigger={<IconButton label="Conversation menu" icon="more" />}
      entries={[
        ...(mayWrite
          ? [
              {
                id: "ai",
                text: paused ? "Let the AI answer again" : "Pause the AI",
                icon: paused ? ("spark" as const) : ("pause" as const),
                onSelect: () => void setAi(conversation.id, !paused),
              },
            ]
          : []),
        ...(mayWrite && active && onChange
          ? [
              {
                id: "assign",
                text: "Assign…",
                icon: "user" as const,
                shortcut: "A",
                onSelect: () => onChange("assign"),
              },
              {
                id: "priority",
                text: "Priority…",
                icon: "chart" as const,
                shortcut: "P",
                onSelect: () => onChange("priority"),
              },
            ]
          : []),
        {
          id: "link",
          text: "Copy link",
          icon: "copy",
          onSelect: () => void copy(`${location.origin}${appPath}/${link}`, "link"),
        },
        {
          id: "conversation-id",
          text: "Copy conversation id",
          icon: "copy",
          onSelect: () => void copy(conversation.id, "conversation id"),
        },
        ...(escalation
          ? [
              {
                id: "escalation-id",
                text: "Copy escalation id",
                icon: "copy" as const,
                onSelect: () => void copy(escalation.id, "escalation id"),
              },
            ]
          : []),
      ]}
    />
  );
}
