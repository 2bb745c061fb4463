/** A low-confidence escalation that waits: how long, and the choice to escalate now or to hide the notice. */

import { useState } from "react";
import { EscalateConversationDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Banner } from "../../ui/feedback";
import { showError } from "../../ui/toast";
import { execute } from "../api";
import { keys, patchEscalationNow, queryClient } from "../cache";
import { formatDuration } from "../countdown";
import { useTick } from "../tick";
import { formatPercent } from "../words";

export interface PendingNoticeProps {
  conversationId: string;
  pending: { confidence: number; firesAt: string };
  mayWrite: boolean;
}

export async function escalateNow(conversationId: string) {
  try {
    const { escalateConversation } = await execute(EscalateConversationDocument, {
      input: { conversationId, reason: "Low confidence, escalated by a team member" },
    });
    if (escalateConversation) {
      patchEscalationNow(escalateConversation.escalation);
    }
    queryClient.invalidateQueries({ queryKey: keys.conversation(conversationId) });
    queryClient.invalidateQueries({ queryKey: keys.conversations });
  } catch (error) {
    showError(error);
  }
}

export function PendingNotice({ conversationId, pending, mayWrite }: PendingNoticeProps) {
  const [hidden, setHidden] = useState(false);
  const left = useTick((now) => formatDuration(Date.parse(pending.firesAt) - now));
  if (hidden) {
    return null;
  }
  return (
    <Banner
      tone="warn"
      actions={
        mayWrite && (
          <>
            <Button onPress={() => escalateNow(conversationId)}>Escalate now</Button>
            <Button look="quiet" onPress={() => setHidden(true)}>
              Hide this notice
            </Button>
          </>
        )
      }
    >
      The AI was {formatPercent(pending.confidence)} sure. Without a clear answer a person is asked in {left}.
    </Banner>
  );
}
