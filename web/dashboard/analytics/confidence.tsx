/** What another threshold would have done, and how right the AI's confidence is. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { CalibrationDocument, WhatIfDocument } from "../../gql/operations";
import { Chart } from "../../ui/chart";
import { SkeletonLines } from "../../ui/feedback";
import { execute } from "../api";
import { keys } from "../cache";
import styles from "./analytics.module.css";
import { WhatIfChart } from "./what-if-chart";

const THRESHOLDS = Array.from({ length: 21 }, (_, index) => index * 5);

export function Confidence({ agentId, from, to }: { agentId: string; from: string; to: string }) {
  const whatIf = useQuery({
    queryKey: [...keys.analytics, "what-if", agentId, from, to],
    queryFn: () => execute(WhatIfDocument, { agentId, from, to, thresholds: THRESHOLDS }),
    placeholderData: keepPreviousData,
  });
  const calibration = useQuery({
    queryKey: [...keys.analytics, "calibration", agentId, from, to],
    queryFn: () => execute(CalibrationDocument, { agentId, from, to }),
    placeholderData: keepPreviousData,
  });
  const bins = calibration.data?.confidenceCalibration;
  const replies = bins?.reduce((sum, bin) => sum + bin.replies, 0) ?? 0;
  return (
    <section className={styles.charts} aria-label="Confidence">
      {whatIf.data ? (
        <WhatIfChart outcomes={whatIf.data.thresholdWhatIf} threshold={undefined} />
      ) : (
        <SkeletonLines lines={4} />
      )}
      {bins ? (
        <Chart
          title="Is the AI's confidence right?"
          sentence={`Of ${replies} replies with a confidence: the share of their conversations that reached the team. A well calibrated AI falls from left to right.`}
          x={bins.map((bin) => bin.from)}
          xLabel="Confidence from"
          formatX={(value) => `${value} %`}
          formatY={(value) => `${Math.round(value)} %`}
          series={[
            {
              label: "Reached the team",
              color: "accent",
              values: bins.map((bin) =>
                bin.conversations ? (bin.escalatedConversations / bin.conversations) * 100 : null,
              ),
            },
            {
              label: "Needed a person, of those reviewed",
              color: "ok",
              dashed: true,
              values: bins.map((bin) =>
                bin.needed + bin.notNeeded ? (bin.needed / (bin.needed + bin.notNeeded)) * 100 : null,
              ),
            },
          ]}
        />
      ) : (
        <SkeletonLines lines={4} />
      )}
    </section>
  );
}
