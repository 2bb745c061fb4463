/** The settings of the chosen AI agent, and the form over them. */

import { useQuery } from "@tanstack/react-query";
import { useBlocker } from "@tanstack/react-router";
import { useState } from "react";
import { SettingsDocument, UpdateSettingsDocument } from "../../gql/operations";
import { showToast } from "../../ui/toast";
import { CallError, execute, isCode } from "../api";
import { keys, queryClient } from "../cache";
import { useAgents } from "../session/viewer";
import { type Collision, changedFields, collisions, rebase, type Settings, toInput } from "./form";

/** Return the AI agent of the address, else the first one. */
export function useAgent(agentId: string | undefined) {
  const { data, error, isPending } = useAgents();
  const agents = data?.agents ?? [];
  return { agents, error, isPending, agent: agents.find((agent) => agent.id === agentId) ?? agents[0] };
}

export function useSettings(agentId: string) {
  return useQuery({
    queryKey: keys.settings(agentId),
    queryFn: () => execute(SettingsDocument, { agentId }),
    refetchInterval: 30_000,
  });
}

export function storeSettings(settings: Settings | undefined) {
  if (settings) {
    queryClient.setQueryData(keys.settings(settings.agentId), { escalationSettings: settings });
  }
}

export type SaveError = { field: string | undefined; message: string };

/**
 * The form's state. `base` are the settings that the member started from and `mine` what the form shows. A read in the
 * background never changes `mine`: a colleague's save is shown as such, and taken over field by field.
 */
export function useSettingsForm(saved: Settings) {
  const [base, setBase] = useState(saved);
  const [mine, setMine] = useState(saved);
  const [theirs, setTheirs] = useState<Settings>();
  const [saving, setSaving] = useState(false);
  const [error, setError] = useState<SaveError>();
  const changes = changedFields(base, mine);

  useBlocker({
    shouldBlockFn: () => changes.size > 0 && !window.confirm("Leave without saving the changes?"),
    enableBeforeUnload: () => changes.size > 0,
    disabled: changes.size === 0,
  });

  // Nothing is edited here: show what is saved.
  if (saved.version > base.version && saved !== theirs) {
    if (changes.size === 0) {
      setBase(saved);
      setMine(saved);
    } else {
      setTheirs(saved);
    }
  }

  async function save() {
    const missing = [...changes].find(([, [, value]]) => Number.isNaN(value));
    if (missing) {
      // In a field that is disabled the browser accepts it, and as JSON it would be left out.
      setError({ field: `input.${missing[0]}`, message: "A number is missing." });
      return;
    }
    setSaving(true);
    setError(undefined);
    try {
      const { updateEscalationSettings } = await execute(UpdateSettingsDocument, {
        input: toInput(base, mine),
      });
      if (updateEscalationSettings) {
        const { settings } = updateEscalationSettings;
        setBase(settings);
        setMine(settings);
        setTheirs(undefined);
        storeSettings(settings);
        showToast("Saved. New escalations follow these settings.");
      }
    } catch (failure) {
      if (isCode(failure, "CONFLICT")) {
        const { escalationSettings } = await execute(SettingsDocument, { agentId: base.agentId });
        setTheirs(escalationSettings);
      } else {
        setError({
          field: failure instanceof CallError ? failure.field : undefined,
          message: (failure as Error).message,
        });
      }
    } finally {
      setSaving(false);
    }
  }

  return {
    settings: mine,
    edit: setMine,
    dirty: changes.size > 0,
    changes,
    saving,
    error,
    save,
    discard() {
      setMine(theirs ?? base);
      setBase(theirs ?? base);
      setTheirs(undefined);
      setError(undefined);
    },
    conflict: theirs && { collisions: collisions(base, mine, theirs) satisfies Collision[] },
    /** Keep the member's fields, and everything else as the colleague saved it. */
    takeMine() {
      if (theirs) {
        setMine(rebase(base, mine, theirs));
        setBase(theirs);
        setTheirs(undefined);
      }
    },
  };
}
