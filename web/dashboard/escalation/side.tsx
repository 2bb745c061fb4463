/** What is known about an escalation: the clock, why it was raised, the customer, notes and the timeline. */

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import {
  type ConversationDetailQuery,
  CustomerEscalationsDocument,
  type EscalationDetailQuery,
  type SlaPartsFragment,
} from "../../gql/operations";
import { Badge } from "../../ui/feedback";
import { execute } from "../api";
import { formatDuration, hasUnlistedSegments } from "../countdown";
import { setDisposition } from "../escalations/actions";
import { PriorityIcon } from "../escalations/priority-icon";
import { STATUS_TONE } from "../escalations/row";
import { SlaBadge } from "../escalations/sla-badge";
import {
  customerName,
  DISPOSITION,
  DISPOSITIONS,
  formatFullTime,
  formatPercent,
  formatTime,
  PRIORITY,
  reasonWords,
  STATUS,
} from "../words";
import styles from "./escalation.module.css";
import { Fact, Section } from "./section";
import { TimelineSection } from "./timeline-section";

type Escalation = NonNullable<EscalationDetailQuery["escalation"]>;
type Conversation = NonNullable<ConversationDetailQuery["conversation"]>;

function ClockSection({ sla }: { sla: SlaPartsFragment }) {
  const segments = sla.segments.map((segment) => ({
    ...segment,
    length: Date.parse(segment.to) - Date.parse(segment.from),
  }));
  const runsOn = segments.every((segment) => segment.running);
  return (
    <Section title="First response">
      <dl>
        <Fact name="Clock">
          <SlaBadge sla={sla} />
        </Fact>
        <Fact name="Due">
          <span title={formatFullTime(sla.dueAt)}>{formatTime(sla.dueAt)}</span>
        </Fact>
        <Fact name="Target">{formatDuration(sla.targetMinutes * 60_000, runsOn)} of business time</Fact>
        {sla.metAt && <Fact name="Answered">{formatTime(sla.metAt)}</Fact>}
      </dl>
      {segments.length > 0 && (
        <>
          <h3 className={styles.subhead}>Why it is due then</h3>
          <ol className={styles.segments}>
            {segments.map((segment) => (
              <li key={segment.from} data-running={segment.running}>
                <span>
                  {formatTime(segment.from)} – {formatTime(segment.to)}
                </span>
                <span>
                  {segment.running
                    ? `ran ${formatDuration(segment.length)}`
                    : `stood: ${segment.label.replaceAll("_", " ")}`}
                </span>
              </li>
            ))}
            {hasUnlistedSegments(sla) && (
              <li>
                <span>and so on until {formatTime(sla.dueAt)}</span>
              </li>
            )}
          </ol>
        </>
      )}
    </Section>
  );
}

function TriggerSection({ escalation }: { escalation: Escalation }) {
  return (
    <Section title="Why it was raised">
      {escalation.summary && (
        <p className={styles.summary} dir="auto">
          {escalation.summary}
        </p>
      )}
      <ul className={styles.triggers}>
        {escalation.triggers.map((trigger) => (
          <li key={trigger.occurredAt + trigger.trigger}>
            <strong dir="auto">{reasonWords(trigger)}</strong>
            {trigger.detail && <span dir="auto">“{trigger.detail}”</span>}
            {trigger.confidence !== null && trigger.confidence !== undefined && (
              <span>AI {formatPercent(trigger.confidence)} sure</span>
            )}
            <time dateTime={trigger.occurredAt}>{formatTime(trigger.occurredAt)}</time>
          </li>
        ))}
      </ul>
      <Data data={escalation.metadata} />
    </Section>
  );
}

function ResolutionSection({ escalation, mayWrite }: { escalation: Escalation; mayWrite: boolean }) {
  const { resolution } = escalation;
  if (!resolution) {
    return null;
  }
  return (
    <Section title="Resolution">
      <dl>
        <Fact name="By">
          <bdi>{resolution.resolvedBy?.name ?? "API"}</bdi>
        </Fact>
        {escalation.resolvedAt && <Fact name="At">{formatTime(escalation.resolvedAt)}</Fact>}
        {resolution.note && (
          <Fact name="Note">
            <p className={styles.lines} dir="auto">
              {resolution.note}
            </p>
          </Fact>
        )}
        <Fact name="AI">{resolution.keptAiPaused ? "Kept paused" : "By the settings"}</Fact>
      </dl>
      <label className={styles.disposition}>
        <span>Was a person needed?</span>
        <select
          disabled={!mayWrite}
          value={resolution.disposition ?? ""}
          onChange={(event) =>
            setDisposition(
              escalation.id,
              (event.target.value || null) as (typeof DISPOSITIONS)[number] | null,
            )
          }
        >
          <option value="">Not reviewed</option>
          {DISPOSITIONS.map((value) => (
            <option key={value} value={value}>
              {DISPOSITION[value]}
            </option>
          ))}
        </select>
      </label>
    </Section>
  );
}

function Data({ data }: { data: unknown }) {
  if (!data || typeof data !== "object" || !Object.keys(data).length) {
    return null;
  }
  return (
    <dl className={styles.data}>
      {Object.entries(data).map(([name, value]) => (
        <Fact key={name} name={name}>
          <bdi>{typeof value === "string" ? value : JSON.stringify(value)}</bdi>
        </Fact>
      ))}
    </dl>
  );
}

export function CustomerSection({
  conversation,
  current,
}: {
  conversation: Conversation;
  current: string | undefined;
}) {
  const { customer } = conversation;
  const search = customer.externalId || customer.email;
  const { data } = useQuery({
    queryKey: ["customer-escalations", search],
    queryFn: () => execute(CustomerEscalationsDocument, { search: search as string }),
    enabled: Boolean(search),
  });
  const others = (data?.escalations.nodes ?? []).filter(
    (other) =>
      other.id !== current &&
      (customer.externalId
        ? other.conversation.customer.externalId === customer.externalId
        : other.conversation.customer.email === customer.email),
  );
  return (
    <Section title="Customer">
      <dl>
        <Fact name="Name">
          <bdi>{customerName(customer)}</bdi>{" "}
          {search && (
            <Badge tone={customer.verified ? "ok" : "neutral"}>
              {customer.verified ? "Verified" : "Not verified"}
            </Badge>
          )}
        </Fact>
        {customer.email && (
          <Fact name="Email">
            <a href={`mailto:${customer.email}`}>{customer.email}</a>
          </Fact>
        )}
        {customer.externalId && (
          <Fact name="Id">
            <bdi>{customer.externalId}</bdi>
          </Fact>
        )}
        {conversation.language && <Fact name="Language">{conversation.language}</Fact>}
        <Fact name="AI agent">
          <bdi>{conversation.agent.name}</bdi>
        </Fact>
      </dl>
      <Data data={conversation.metadata} />
      {others.length > 0 && (
        <>
          <h3 className={styles.subhead}>Other escalations</h3>
          <ul className={styles.otherEscalations}>
            {others.map((other) => (
              <li key={other.id}>
                <PriorityIcon priority={other.priority} />
                <Link to="/escalations/$escalationId" params={{ escalationId: other.id }}>
                  {formatTime(other.createdAt)}
                </Link>
                <Badge tone={STATUS_TONE[other.status]}>{STATUS[other.status]}</Badge>
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function NotesSection({ escalation, mayWrite }: { escalation: Escalation; mayWrite: boolean }) {
  return (
    <Section title={`Internal notes${escalation.notes.length ? ` (${escalation.notes.length})` : ""}`}>
      {escalation.notes.length === 0 && (
        <p className={styles.quiet}>None yet.{mayWrite && " Press N to write one."}</p>
      )}
      <ul className={styles.notes}>
        {escalation.notes.map((note) => (
          <li key={note.id}>
            <p dir="auto">{note.body}</p>
            <span>
              <bdi>{note.author?.name ?? "API"}</bdi> · {formatTime(note.createdAt)}
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export interface SideProps {
  escalation: Escalation;
  conversation: Conversation;
  mayWrite: boolean;
  now: number;
}

export function Side({ escalation, conversation, mayWrite, now }: SideProps) {
  return (
    <>
      <ClockSection sla={escalation.sla} />
      <ResolutionSection escalation={escalation} mayWrite={mayWrite} />
      <TriggerSection escalation={escalation} />
      <NotesSection escalation={escalation} mayWrite={mayWrite} />
      <CustomerSection conversation={conversation} current={escalation.id} />
      <TimelineSection id={escalation.id} now={now} />
      <p className={styles.ids}>
        {PRIORITY[escalation.priority]} · version {escalation.version}
        <br />
        <code>{escalation.id}</code>
        <br />
        <code>{conversation.id}</code>
      </p>
    </>
  );
}
