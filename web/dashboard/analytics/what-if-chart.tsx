/** What each confidence threshold would have done. */

import type { WhatIfQuery } from "../../gql/operations";
import { Chart } from "../../ui/chart";

type Outcome = WhatIfQuery["thresholdWhatIf"][number];

const percent = (share: number | null | undefined) =>
  share === null || share === undefined ? null : share * 100;

export function WhatIfChart({
  outcomes,
  threshold,
}: {
  outcomes: readonly Outcome[];
  threshold: number | undefined;
}) {
  const reviewed = outcomes.some((outcome) => outcome.dispositions > 0);
  return (
    <Chart
      title="If the threshold had been…"
      sentence={
        reviewed
          ? "A higher threshold hands over more conversations, catches more of those that need a person, and more that do not."
          : "A higher threshold hands over more conversations. Review escalations to see how many needed a person."
      }
      x={outcomes.map((outcome) => outcome.threshold)}
      xLabel="Threshold"
      formatX={(value) => `${value} %`}
      formatY={(value) => `${Math.round(value)} %`}
      {...(threshold !== undefined && { mark: threshold })}
      series={[
        {
          label: "Handed to the team",
          color: "accent",
          values: outcomes.map((outcome) => percent(outcome.escalationRate)),
        },
        ...(reviewed
          ? [
              {
                label: "Needed a person (precision)",
                color: "ok" as const,
                dashed: true,
                values: outcomes.map((outcome) => percent(outcome.precision)),
              },
              {
                label: "Caught of those (recall)",
                color: "warn" as const,
                dashed: true,
                values: outcomes.map((outcome) => percent(outcome.recall)),
              },
            ]
          : []),
      ]}
    />
  );
}
