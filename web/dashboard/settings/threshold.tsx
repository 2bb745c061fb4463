/** Auto-escalation: the threshold beside what it would have done to the team's own conversations. */

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo } from "react";
import { WhatIfDocument, type WhatIfQuery } from "../../gql/operations";
import { Skeleton } from "../../ui/feedback";
import { NumberField, Switch } from "../../ui/field";
import { execute } from "../api";
import { keys } from "../cache";
import { loadPart } from "../lazy-part";
import { useMay } from "../session/viewer";
import { formatShare } from "../words";
import type { Settings } from "./form";
import type { SectionProps } from "./screen";
import { SettingsSection } from "./section";
import styles from "./settings.module.css";

const loadChart = loadPart(() => import("../analytics/what-if-chart"), "WhatIfChart");
const WhatIfChart = lazy(async () => ({ default: (await loadChart()).WhatIfChart }));
const DAYS = 90;
export const THRESHOLDS = Array.from({ length: 21 }, (_, index) => index * 5);

export function ThresholdSection({ settings, edit, disabled, errorAt }: SectionProps) {
  const { autoEscalation } = settings;
  const mayAnalyse = useMay("ANALYTICS_READ");
  const set = (values: Partial<Settings["autoEscalation"]>) =>
    edit({ ...settings, autoEscalation: { ...autoEscalation, ...values } });
  const period = useMemo(() => {
    const to = new Date(Math.ceil(Date.now() / 3_600_000) * 3_600_000);
    return { from: new Date(to.getTime() - DAYS * 86_400_000).toISOString(), to: to.toISOString() };
  }, []);
  const { data, error } = useQuery({
    queryKey: [...keys.analytics, "what-if", settings.agentId, period, autoEscalation.delaySeconds],
    queryFn: () =>
      execute(WhatIfDocument, {
        agentId: settings.agentId,
        ...period,
        thresholds: THRESHOLDS,
        delaySeconds: Number.isNaN(autoEscalation.delaySeconds) ? null : autoEscalation.delaySeconds,
      }),
    enabled: mayAnalyse,
    placeholderData: (old) => old,
  });
  const outcomes = data?.thresholdWhatIf;
  const nearest = outcomes?.reduce((best, outcome) =>
    Math.abs(outcome.threshold - autoEscalation.confidenceThreshold) <
    Math.abs(best.threshold - autoEscalation.confidenceThreshold)
      ? outcome
      : best,
  );
  return (
    <SettingsSection
      title="Low confidence"
      lead="A reply below the threshold asks for a person, immediately or after a delay."
    >
      <Switch checked={autoEscalation.enabled} disabled={disabled} onValue={(enabled) => set({ enabled })}>
        Escalate when the AI is unsure
      </Switch>
      <div className={styles.threshold}>
        <div className={styles.slider}>
          <label htmlFor="threshold">Threshold</label>
          <output htmlFor="threshold">{autoEscalation.confidenceThreshold} %</output>
          <input
            id="threshold"
            type="range"
            min={0}
            max={100}
            step={1}
            value={autoEscalation.confidenceThreshold}
            disabled={disabled || !autoEscalation.enabled}
            aria-valuetext={`${autoEscalation.confidenceThreshold} percent`}
            onChange={(event) => set({ confidenceThreshold: event.target.valueAsNumber })}
          />
        </div>
        {mayAnalyse && !error && (
          <div className={styles.whatIf}>
            <p className={styles.effect}>{nearest && <Effect outcome={nearest} />}</p>
            <Suspense fallback={<Skeleton height={180} />}>
              {outcomes ? (
                <WhatIfChart outcomes={outcomes} threshold={autoEscalation.confidenceThreshold} />
              ) : (
                <Skeleton height={180} />
              )}
            </Suspense>
          </div>
        )}
      </div>
      <NumberField
        label="Delay in seconds"
        hint="Time for the customer to clarify. A sure reply in that time averts the escalation. 0 escalates immediately."
        min={0}
        value={autoEscalation.delaySeconds}
        disabled={disabled || !autoEscalation.enabled}
        error={errorAt("autoEscalation.delaySeconds")}
        onValue={(delaySeconds) => set({ delaySeconds })}
      />
    </SettingsSection>
  );
}

function Effect({ outcome }: { outcome: WhatIfQuery["thresholdWhatIf"][number] }) {
  return (
    <>
      In the last {DAYS} days a threshold of {outcome.threshold} % would have handed{" "}
      <strong>{formatShare(outcome.escalationRate)}</strong> of the conversations to the team (
      {outcome.escalatedConversations}).{" "}
      {outcome.dispositions
        ? `Of those reviewed, ${formatShare(outcome.precision, 0)} needed a person, and it would have caught ${formatShare(outcome.recall, 0)} of those that did. That rests on ${outcome.dispositions} reviews.`
        : "No escalation has been reviewed yet, so it is not known how many needed a person."}
    </>
  );
}
