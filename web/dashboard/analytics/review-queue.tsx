/** Resolved escalations without a disposition: the reviews that the false-positive rate rests on. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ReviewQueueDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { SkeletonLines } from "../../ui/feedback";
import { leaveRow } from "../../ui/rows";
import { execute } from "../api";
import { keys } from "../cache";
import { setDisposition } from "../escalations/actions";
import { useMay } from "../session/viewer";
import {
  customerName,
  DISPOSITION,
  DISPOSITIONS,
  formatPercent,
  formatShare,
  formatTime,
  reasonWords,
} from "../words";
import styles from "./analytics.module.css";

export function ReviewQueue({ agentId, coverage }: { agentId: string; coverage: number | null | undefined }) {
  const mayWrite = useMay("ESCALATIONS_WRITE");
  const { data } = useQuery({
    queryKey: [...keys.analytics, "review", agentId],
    queryFn: () => execute(ReviewQueueDocument, { agentId }),
  });
  const rows = data?.escalations.nodes ?? [];
  return (
    <section className={styles.review}>
      <h2>Review these escalations</h2>
      <p>
        {data && `${data.escalations.totalCount} resolved escalations have no review. `}
        {coverage !== null &&
          coverage !== undefined &&
          `${formatShare(coverage, 0)} of this period are reviewed. `}
        Each review makes the threshold curve more certain.
      </p>
      {!data ? (
        <SkeletonLines lines={4} />
      ) : rows.length === 0 ? (
        <p>Everything is reviewed.</p>
      ) : (
        <ul>
          {rows.map((row) => (
            <li key={row.id}>
              <div>
                <Link to="/escalations/$escalationId" params={{ escalationId: row.id }}>
                  {customerName(row.conversation.customer)}
                </Link>
                <span>
                  {reasonWords(row)}
                  {row.detail && `: ${row.detail}`}
                  {row.confidence !== null &&
                    row.confidence !== undefined &&
                    ` · AI ${formatPercent(row.confidence)} sure`}{" "}
                  · {formatTime(row.createdAt)}
                </span>
              </div>
              {mayWrite && (
                <div className={styles.choices}>
                  {DISPOSITIONS.slice(0, 3).map((value) => (
                    <Button
                      key={value}
                      onPress={(press) => {
                        leaveRow(press);
                        return setDisposition(row.id, value);
                      }}
                    >
                      {DISPOSITION[value]}
                    </Button>
                  ))}
                </div>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
