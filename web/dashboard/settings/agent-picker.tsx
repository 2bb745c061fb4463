/** The choice of the AI agent whose settings or figures a screen shows. */

import { useNavigate } from "@tanstack/react-router";
import { Select } from "../../ui/field";

export interface AgentPickerProps {
  agents: readonly { id: string; name: string }[];
  agent: { id: string } | undefined;
  to:
    | "/settings/escalations"
    | "/settings/slack"
    | "/settings/webhooks"
    | "/settings/identity"
    | "/analytics"
    | "/first-steps";
}

export function AgentPicker({ agents, agent, to }: AgentPickerProps) {
  const navigate = useNavigate();
  if (agents.length < 2 || !agent) {
    return null;
  }
  return (
    <div style={{ minWidth: 180 }}>
      <Select
        label="AI agent"
        hideLabel
        value={agent.id}
        onValue={(id) => navigate({ to, search: (before) => ({ ...before, agent: id }) })}
        options={agents.map(({ id, name }) => [id, name] as const)}
      />
    </div>
  );
}
