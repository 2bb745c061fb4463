"""Emails of events, digests, tests and alerts, as RFC 5322 bytes, always the same for the same content.

Text that other people wrote stays text: one line in headers and facts, indented in the plain part, and
escaped in the HTML part.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifications.content.queries import DIGEST_LIMIT
from notifications.content.snapshots import ConversationSnapshot, EscalationSnapshot, NotificationContent
from notifications.content.text import one_line
from notifications.email.layout import (
    TRANSCRIPT_LIMIT,
    EmailPage,
    Fact,
    Section,
    count,
    hour,
    render_within_limits,
    span,
    transcript_of,
    when,
)
from notifications.email.mime import Envelope
from rules.customer_texts import duration_in_words, response_time_in_words
from rules.delivery import DeliveryChannel
from rules.escalation import EscalationStatus, EscalationTrigger
from rules.events import EventType
from rules.text import is_blank

SUBJECT_LIMIT = 110

# In characters; the facts of one escalation among many are short.
_NAME_LIMIT = 80
_SUBJECT_NAME_LIMIT = 40
_FACT_LIMIT = 2_000
_DIGEST_FACT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Alert:
    """A target whose deliveries fail, for the admins.

    `disabled`: a webhook endpoint that was switched off. `why` is the last answer, in a few words, and
    `advice` what to do about it. `link` leads to the deliveries, `docs` to a page about the problem.
    """

    id: str
    at: datetime
    workspace_name: str
    agent_name: str
    channel: DeliveryChannel
    target: str
    why: str | None
    link: str
    failing_since: datetime | None = None
    disabled: bool = False
    docs: str | None = None
    time_zone: str = "UTC"
    advice: str | None = None


def compose(content: NotificationContent, *, sender: str, recipient: str, include_transcript: bool) -> bytes:
    """Return the mail of an escalation that was created or reopened, or is at risk or breached.

    Raise ValueError for another event, and for a sender or recipient that is not one address.
    """
    escalation = _escalation(content)
    subject = _subject(escalation, content.conversation)

    def page(share: float) -> EmailPage:
        return EmailPage(
            subject=subject if content.type == EventType.CREATED else f"Re: {subject}",
            lead=_lead(content),
            sections=[_section(content, TRANSCRIPT_LIMIT * share if include_transcript else 0)],
            footer=_footer(recipient, content.agent_name, content.workspace_name),
        )

    return render_within_limits(
        page, Envelope(content.id, content.occurred_at, sender, recipient, thread=escalation.id)
    )


def compose_digest(
    events: Sequence[NotificationContent],
    *,
    id: str,  # noqa: A002 - as in NotificationContent
    sender: str,
    recipient: str,
    agent_name: str,
    since: datetime,
    until: datetime,
    include_transcript: bool,
    reason: str | None = None,
) -> bytes:
    """Return one mail of all events from `since` to `until`, the most urgent escalations first.

    `events` are in the order in which they happened; the last one of an escalation has its state. `id` is
    the delivery's. `reason` says why it is a digest, if the settings do not. Raise ValueError if there are no
    events.
    """
    by_escalation: dict[str, list[NotificationContent]] = {}
    for content in events:
        by_escalation.setdefault(_escalation(content).id, []).append(content)
    if not by_escalation:
        raise ValueError("a digest needs an event")
    urgent = sorted(by_escalation.values(), key=lambda history: _escalation(history[-1]).urgency)
    agent = one_line(agent_name, _NAME_LIMIT)
    total, zone = count(len(urgent), "escalation"), events[-1].time_zone
    highest = _escalation(urgent[0][-1]).priority
    lead = f"{total} of the AI agent {agent} from {span(since, until, zone)}: {_by_priority(urgent)}."

    def page(share: float) -> EmailPage:
        # Transcripts are shortened before an escalation is left out.
        shown = urgent[: max(1, int(DIGEST_LIMIT * min(1, 4 * share)))]
        space = TRANSCRIPT_LIMIT * share / len(shown) if include_transcript else 0
        hidden = count(len(urgent) - len(shown), "less urgent escalation")
        return EmailPage(
            subject=one_line(f"[{highest}] {total} of {agent}, {span(since, until, zone)}", SUBJECT_LIMIT),
            lead=" ".join(filter(None, (lead, reason))),
            sections=[_section(history[-1], space, _history(history)) for history in shown],
            more=f"Not shown: {hidden}. See the dashboard." if len(shown) < len(urgent) else None,
            footer=_footer(recipient, agent_name, events[0].workspace_name),
        )

    return render_within_limits(page, Envelope(id, until, sender, recipient))


def _by_priority(urgent: Sequence[Sequence[NotificationContent]]) -> str:
    counts = Counter(_escalation(history[-1]).priority for history in urgent)
    return ", ".join(f"{number} {priority}" for priority, number in counts.items())


def compose_test(
    content: NotificationContent, *, sender: str, recipient: str, include_transcript: bool = True
) -> bytes:
    """Return a test mail; its sample escalation looks like a real one."""
    agent = one_line(content.agent_name, _NAME_LIMIT)

    def page(share: float) -> EmailPage:
        space = TRANSCRIPT_LIMIT * share if include_transcript else 0
        return EmailPage(
            subject=one_line(f"Test: email notifications of {agent} work", SUBJECT_LIMIT),
            lead=f"This is a test; there is nothing to do. Email notifications of the AI agent {agent} work.",
            sections=[_section(content, space)] if content.escalation else [],
            footer=_footer(recipient, content.agent_name, content.workspace_name),
        )

    return render_within_limits(page, Envelope(content.id, content.occurred_at, sender, recipient))


def compose_alert(alert: Alert, *, sender: str, recipient: str) -> bytes:
    """Return the mail to an admin about a failing target, with the reason and what to do."""
    target = f"{_CHANNELS[alert.channel]} {one_line(alert.target, 300)}"
    what = f"Switched off: {target}" if alert.disabled else f"Notifications do not arrive: {target}"
    section = Section(
        title=None,
        facts=list(_alert_facts(alert)),
        steps=_alert_steps(alert),
        link=alert.link,
        link_words="Open the deliveries",
    )
    page = EmailPage(
        subject=one_line(what, SUBJECT_LIMIT),
        lead=_alert_lead(alert, target),
        sections=[section],
        footer=f"You get this because {recipient} is an admin of {one_line(alert.workspace_name, 200)}.",
    )
    thread = f"{alert.channel} {alert.target}"
    return render_within_limits(
        lambda _: page, Envelope(alert.id, alert.at, sender, recipient, thread=thread)
    )


_CHANNELS = {
    DeliveryChannel.EMAIL: "the email address",
    DeliveryChannel.SLACK: "the Slack channel",
    DeliveryChannel.WEBHOOK: "the webhook",
}


def _escalation(content: NotificationContent) -> EscalationSnapshot:
    if content.escalation is None:
        raise ValueError(f"{content.type} is not notified by email")
    return content.escalation


def _subject(escalation: EscalationSnapshot, conversation: ConversationSnapshot) -> str:
    # The same for all mails of an escalation: some mail programs break a thread where its subject changes.
    name = _customer(conversation, _SUBJECT_NAME_LIMIT)
    return one_line(f"[{escalation.priority}] {name}: {_why(escalation)}", SUBJECT_LIMIT)


def _customer(conversation: ConversationSnapshot, limit: int) -> str:
    names = (conversation.customer_name, conversation.customer_email, conversation.customer_external_id)
    return next((one_line(name, limit) for name in names if name and not is_blank(name)), "A customer")


def _why(escalation: EscalationSnapshot) -> str:
    detail = one_line(escalation.detail or "", _FACT_LIMIT)
    match escalation.trigger:
        case EscalationTrigger.BUTTON | EscalationTrigger.PHRASE:
            return "asked for a person"
        case EscalationTrigger.FORM:
            return f"sent the form “{detail}”"
        case EscalationTrigger.LOW_CONFIDENCE if escalation.confidence is not None:
            return f"the AI was unsure ({escalation.confidence:g} %)"
        case EscalationTrigger.LOW_CONFIDENCE:
            return "the AI was unsure"
        case EscalationTrigger.TOOL_FAILURE:
            return f"the tool “{detail}” kept failing"
        case EscalationTrigger.TOPIC:
            return f"the topic “{detail}”"
        case EscalationTrigger.TEAM_MEMBER:
            return detail or "a team member took over"
        case EscalationTrigger.API:
            return one_line(escalation.reason, _FACT_LIMIT)


def _as_fact(escalation: EscalationSnapshot) -> str:
    """Return the reason as a line: Baton's words begin with a capital, a person's stay as they are."""
    why = _why(escalation)
    given = escalation.trigger is EscalationTrigger.API or (
        escalation.trigger is EscalationTrigger.TEAM_MEMBER and escalation.detail
    )
    return why if given else why[:1].upper() + why[1:]


def _lead(content: NotificationContent) -> str:
    name, escalation = _customer(content.conversation, _NAME_LIMIT), _escalation(content)
    # A mail that was delayed may come after the reply.
    waits = "has a reply already" if escalation.first_responded_at else "waits for a person"
    happened = {
        EventType.CREATED: f"{name} {waits}.",
        EventType.REOPENED: f"The escalation of {name} was reopened.",
        EventType.SLA_AT_RISK: f"{name} has no reply yet, and time is running out.",
        EventType.SLA_BREACHED: f"Overdue: {name} got no reply in time.",
    }
    if content.type not in happened:
        raise ValueError(f"{content.type} is not notified by email")
    return f"{happened[EventType(content.type)]} {_reply(content, escalation)}"


def _reply(content: NotificationContent, escalation: EscalationSnapshot) -> str:
    zone = content.time_zone
    if escalation.status is EscalationStatus.RESOLVED:
        return "It has been resolved in the meantime."
    if escalation.first_responded_at:
        return f"The first reply was given {when(escalation.first_responded_at, zone)}."
    verb = "was" if content.occurred_at >= escalation.due_at else "is"
    return f"The first reply {verb} due {when(escalation.due_at, zone)}."


def _section(content: NotificationContent, space: float, history: str | None = None) -> Section:
    escalation = _escalation(content)
    facts = _facts(content, escalation, history)
    limit = _FACT_LIMIT if history is None else _DIGEST_FACT_LIMIT
    return Section(
        title=one_line(f"{_customer(content.conversation, _NAME_LIMIT)}: {_why(escalation)}", 200),
        priority=escalation.priority,
        facts=[Fact(name, one_line(value, limit)) for name, value in facts],
        link=escalation.link,
        link_words="Open the escalation",
        transcript=transcript_of(content.conversation, space, content.time_zone) if space else None,
    )


def _facts(
    content: NotificationContent, escalation: EscalationSnapshot, history: str | None
) -> Iterator[tuple[str, str]]:
    conversation = content.conversation
    names = (conversation.customer_name, conversation.customer_email, conversation.customer_external_id)
    lines = (one_line(name, _FACT_LIMIT) for name in names if name and not is_blank(name))
    yield "Customer", ", ".join(dict.fromkeys(lines)) or "unknown"
    phrase = (
        f": “{escalation.detail}”"
        if escalation.trigger is EscalationTrigger.PHRASE and escalation.detail
        else ""
    )
    yield "Reason", _as_fact(escalation) + phrase
    if escalation.summary:
        yield "Summary", escalation.summary
    if escalation.trigger is EscalationTrigger.API and escalation.confidence is not None:
        yield "Confidence", f"{escalation.confidence:g} %"
    if history:
        yield "Happened", history
    assigned = f"assigned to {escalation.assignee_name}" if escalation.assignee_name else "not assigned"
    yield "Status", f"{escalation.status.capitalize().replace('_', ' ')}, {assigned}"
    if not history:
        yield "Raised", when(escalation.created_at, content.time_zone)
    # What was resolved without a reply waits for none.
    if escalation.status is not EscalationStatus.RESOLVED or escalation.first_responded_at:
        yield (
            "First reply due",
            f"{when(escalation.due_at, content.time_zone)} (target: {_target(escalation)})",
        )
    if escalation.first_responded_at:
        yield "First reply", when(escalation.first_responded_at, content.time_zone)
    if escalation.resolution_note:
        yield "Resolution", escalation.resolution_note
    if not history:
        yield "AI agent", f"{one_line(content.agent_name, 200)} ({content.workspace_name})"


def _target(escalation: EscalationSnapshot) -> str:
    if escalation.business_hours is None:
        return duration_in_words(escalation.target_minutes)
    return response_time_in_words(escalation.target_minutes, escalation.business_hours)


def _history(events: Sequence[NotificationContent]) -> str:
    words = {
        EventType.CREATED: "raised",
        EventType.REOPENED: "reopened",
        EventType.SLA_AT_RISK: "at risk",
        EventType.SLA_BREACHED: "overdue",
    }
    return ", ".join(
        f"{words[EventType(event.type)]} {hour(event.occurred_at, event.time_zone)}" for event in events
    )


def _alert_lead(alert: Alert, target: str) -> str:
    if alert.disabled:
        return f"Baton has switched off {target}: nothing is sent there until you switch it on again."
    minutes = (alert.at - (alert.failing_since or alert.at)) // timedelta(minutes=1)
    long = f" for {duration_in_words(minutes)}" if minutes else ""
    return f"Baton could not deliver to {target}{long}. Failed deliveries are kept and can be tried again."


def _alert_facts(alert: Alert) -> Iterator[Fact]:
    yield Fact("Target", one_line(alert.target, _FACT_LIMIT))
    if alert.failing_since:
        yield Fact("Failing since", when(alert.failing_since, alert.time_zone))
    yield Fact("Last answer", one_line(alert.why or "", 300) or "none")
    yield Fact("AI agent", one_line(f"{alert.agent_name} ({alert.workspace_name})", 400))


def _alert_steps(alert: Alert) -> list[str]:
    checks = {
        DeliveryChannel.EMAIL: "Check the address, and whether the mail server accepts mail for it.",
        DeliveryChannel.SLACK: "Check that the channel exists and that Baton's app is a member of it.",
        DeliveryChannel.WEBHOOK: "Check that the endpoint is up and answers with a status from 200 to 299.",
    }
    again = "Switch it on again in the settings." if alert.disabled else "Send a test notification."
    steps = [alert.advice or checks[alert.channel], again, "Retry the failed deliveries in the dashboard."]
    return [*steps, f"Read more: {alert.docs}"] if alert.docs else steps


def _footer(recipient: str, agent_name: str, workspace_name: str) -> str:
    agent, workspace = one_line(agent_name, 200), one_line(workspace_name, 200)
    return (
        f"You get this because {recipient} is a recipient of the AI agent {agent} ({workspace}). "
        "Its settings hold the recipients and the frequency."
    )
