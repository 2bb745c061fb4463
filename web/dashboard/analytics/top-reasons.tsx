/** The most frequent reasons, each with a few of its escalations on request. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Fragment, useId, useState } from "react";
import { type AnalyticsQuery, ReasonSamplesDocument } from "../../gql/operations";
import { Button } from "../../ui/button";
import { Banner, SkeletonLines, VisuallyHidden } from "../../ui/feedback";
import { execute } from "../api";
import { keys } from "../cache";
import { customerName, formatPercent, formatShare, formatTime, reasonWords } from "../words";
import styles from "./analytics.module.css";
import { BreakdownTable } from "./breakdown";
import { readSamples, type Sample, type Scope, searchOf } from "./samples";

type Row = AnalyticsQuery["escalationAnalytics"]["topReasons"][number];

const HEAD = ["Reason", "Count", "Share"];

export function TopReasons({ rows, scope }: { rows: readonly Row[]; scope: Scope }) {
  return (
    <BreakdownTable title="Top reasons" head={HEAD}>
      {rows.map((row) => (
        <ReasonRows key={`${row.trigger} ${row.reason}`} row={row} scope={scope} />
      ))}
    </BreakdownTable>
  );
}

function ReasonRows({ row, scope }: { row: Row; scope: Scope }) {
  const [open, setOpen] = useState(false);
  const id = useId();
  const name = reasonWords(row);
  return (
    <Fragment>
      <tr data-open={open || undefined}>
        <td>
          <div className={styles.reason}>
            <span dir="auto">{name}</span>
            <Button
              look="quiet"
              id={`${id}button`}
              icon={open ? "down" : "right"}
              aria-expanded={open}
              {...(open && { "aria-controls": id })}
              onPress={() => setOpen(!open)}
            >
              Examples
              <VisuallyHidden> of {name}</VisuallyHidden>
            </Button>
          </div>
        </td>
        <td data-num="">{row.count}</td>
        <td data-num="">{formatShare(row.share)}</td>
      </tr>
      {open && (
        <tr>
          <td colSpan={HEAD.length} id={id} className={styles.samples}>
            <Samples row={row} scope={scope} onLoaded={() => keepFocus(`${id}button`)} />
          </td>
        </tr>
      )}
    </Fragment>
  );
}

/** Focus the button if the focus was on something that is gone. */
function keepFocus(buttonId: string) {
  if (document.activeElement === document.body) {
    document.getElementById(buttonId)?.focus();
  }
}

function Samples({ row, scope, onLoaded }: { row: Row; scope: Scope; onLoaded(): void }) {
  const { data, error, refetch } = useQuery({
    queryKey: [...keys.analytics, "samples", scope, row.trigger, row.reason],
    queryFn: () => readSamples(scope, row, (variables) => execute(ReasonSamplesDocument, variables)),
  });
  if (!data) {
    return error ? (
      <Banner
        tone="danger"
        actions={
          <Button
            icon="refresh"
            onPress={async () => {
              await refetch();
              requestAnimationFrame(onLoaded);
            }}
          >
            Try again
          </Button>
        }
      >
        The examples could not be loaded. {error.message}
      </Banner>
    ) : (
      <SkeletonLines lines={3} />
    );
  }
  if (data.length === 0) {
    return <NoSample row={row} scope={scope} />;
  }
  return (
    <>
      {data.length < row.count && (
        <p>
          The newest {data.length} of {row.count}:
        </p>
      )}
      <ul>
        {data.map((sample) => (
          <SampleLine key={sample.id} sample={sample} />
        ))}
      </ul>
    </>
  );
}

function NoSample({ row, scope }: { row: Row; scope: Scope }) {
  const words = row.trigger === "API" ? searchOf(row.reason) : undefined;
  const search = {
    tab: "all" as const,
    trigger: row.trigger,
    agent: scope.agentId,
    ...(words && { q: words }),
  };
  return (
    <p>
      No example was found in this period.{" "}
      <Link to="/escalations" search={search}>
        Look in the list of escalations
      </Link>
      , which has every period.
    </p>
  );
}

function SampleLine({ sample }: { sample: Sample }) {
  const { customer, messages } = sample.conversation;
  const words = messages.nodes.flatMap(({ role, content }) => (role === "USER" ? [content] : [])).join(" · ");
  const facts = [
    sample.detail,
    typeof sample.confidence === "number" && `AI ${formatPercent(sample.confidence)} sure`,
    formatTime(sample.createdAt),
  ];
  return (
    <li>
      <div>
        <Link to="/escalations/$escalationId" params={{ escalationId: sample.id }}>
          <bdi>{customerName(customer)}</bdi>
        </Link>{" "}
        <span dir="auto">{facts.filter(Boolean).join(" · ")}</span>
      </div>
      {words && <blockquote dir="auto">{words}</blockquote>}
    </li>
  );
}
