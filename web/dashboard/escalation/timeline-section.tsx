/** What happened to an escalation: the newest entries, and earlier ones on request. */

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "../../ui/button";
import { ErrorState, SkeletonLines } from "../../ui/feedback";
import { keys } from "../cache";
import { formatAge, formatFullTime } from "../words";
import styles from "./escalation.module.css";
import { Section } from "./section";
import { readTimeline, timelineWords } from "./timeline";

const PAGE = 50;

export function TimelineSection({ id, now }: { id: string; now: number }) {
  const [open, setOpen] = useState(false);
  const [shown, setShown] = useState(PAGE);
  const { data, error, refetch } = useQuery({
    queryKey: keys.timeline(id),
    queryFn: () => readTimeline(id),
    enabled: open,
  });
  const entries = data?.entries ?? [];
  const from = Math.max(0, entries.length - shown);
  return (
    <Section title="Timeline" open={open} onToggle={setOpen}>
      {!data &&
        (error ? <ErrorState error={error} onRetry={() => void refetch()} /> : <SkeletonLines lines={4} />)}
      {from > 0 && (
        <div className={styles.older}>
          <Button look="quiet" onPress={() => setShown(shown + 2 * PAGE)}>
            Show earlier
          </Button>
        </div>
      )}
      <ol className={styles.timeline}>
        {entries.slice(from).map((entry, index) => {
          const { before, name, after } = timelineWords(entry);
          return (
            <li key={from + index}>
              <span>
                {before}
                {name && <bdi>{name}</bdi>}
                {after}
              </span>
              <time dateTime={entry.occurredAt} title={formatFullTime(entry.occurredAt)}>
                {formatAge(entry.occurredAt, now)}
              </time>
            </li>
          );
        })}
      </ol>
    </Section>
  );
}
