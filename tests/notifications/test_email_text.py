"""The content of emails: created, reopened, at risk, breached, digests, alerts and samples."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifications.content.queries import DIGEST_LIMIT
from notifications.content.snapshots import NotificationContent
from notifications.email.compose import SUBJECT_LIMIT, compose, compose_digest, compose_test
from notifications.email.layout import HTML_LIMIT, MAIL_LIMIT
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from tests.support.email_samples import (
    AT,
    AT_RISK,
    BREACHED,
    CREATED,
    HEADERS,
    LINK,
    REOPENED,
    SENDER,
    TEAM,
    Page,
    composed,
    create_said,
    create_story,
    page_of,
    read,
    sizes,
    text_of,
)

TOLD = [CREATED, REOPENED, AT_RISK, BREACHED]


def test_headers_of_a_mail() -> None:
    message = composed(create_story())
    result = {name: str(value) for name, value in message.items()}
    assert re.fullmatch(r"<dlv_1\.[0-9a-f]{16}@example\.com>", result.pop("Message-ID"))
    assert result.pop("Content-Type").startswith("multipart/alternative; boundary=")
    assert result == HEADERS


def test_lines_and_spaces_of_a_message_are_kept() -> None:
    words = "first\r\nsecond\rthird\u2028fourth\n\n    indented   so\tfar"
    message = composed(create_story(create_said(words)))
    [shown] = page_of(message).texts["words"]
    assert shown == "first\nsecond\nthird\nfourth\n\n    indented   so\tfar"
    assert "\n    first\n    second\n    third\n    fourth\n\n        indented   so\tfar" in text_of(message)


def test_transcript_names_speaker_and_time() -> None:
    story = create_story(
        create_said("Hello", minute=0),
        create_said("How can I help?", MessageRole.ASSISTANT, minute=1),
        create_said("I am here", MessageRole.HUMAN, minute=2, author="Ann Example"),
        create_said("Me too", MessageRole.HUMAN, minute=3),
    )
    message = composed(story)
    who = ["Customer", "AI", "Ann Example", "Team"]
    times = [f"4 March 2026, 13:3{minute} UTC" for minute in range(4)]
    expected = [f"{name}, {time}" for name, time in zip(who, times, strict=True)]
    assert page_of(message).texts["who"] == expected
    assert [line for line in text_of(message).splitlines() if line in expected] == expected
    hidden = composed(story, transcript=False)
    for kind in ("plain", "html"):
        assert "Transcript" not in text_of(hidden, kind)
        assert "How can I help?" not in text_of(hidden, kind)
    assert "Transcript" not in text_of(composed(create_story()))


def test_mails_of_an_escalation_are_one_thread() -> None:
    mails = [composed(create_story(id_=f"dlv_{place}", type_=type_)) for place, type_ in enumerate(TOLD)]
    assert {mail["References"] for mail in mails} == {"<esc_1@example.com>"}
    assert {mail["In-Reply-To"] for mail in mails} == {"<esc_1@example.com>"}
    assert len({mail["Message-ID"] for mail in mails}) == len(TOLD)
    # Some mail programs break a thread where its subject changes.
    subjects = [str(mail["Subject"]) for mail in mails]
    assert subjects == [HEADERS["Subject"]] + [f"Re: {HEADERS['Subject']}"] * 3
    assert composed(create_story(id="esc_2"))["References"] == "<esc_2@example.com>"


def test_same_story_is_the_same_mail_with_a_message_id_per_recipient() -> None:
    story = create_story(create_said("Grüße 😀"))

    def written(recipient: str, content: NotificationContent = story) -> bytes:
        return compose(content, sender=SENDER, recipient=recipient, include_transcript=True)

    assert written(TEAM) == written(TEAM)
    ids = [read(written(*args))["Message-ID"] for args in ((TEAM,), ("ann@example.com",))]
    assert len({*ids, read(written(TEAM, replace(story, id="dlv_2")))["Message-ID"]}) == 3
    assert read(written("TEAM@example.com"))["Message-ID"] == ids[0]


@pytest.mark.parametrize(
    ("trigger", "changes", "why"),
    [
        (EscalationTrigger.BUTTON, {"detail": None}, "asked for a person"),
        (EscalationTrigger.PHRASE, {}, "asked for a person"),
        (EscalationTrigger.FORM, {"detail": "refund"}, "sent the form “refund”"),
        (EscalationTrigger.LOW_CONFIDENCE, {"confidence": 35.0}, "the AI was unsure (35 %)"),
        (EscalationTrigger.LOW_CONFIDENCE, {"confidence": 35.5}, "the AI was unsure (35.5 %)"),
        (EscalationTrigger.TOOL_FAILURE, {"detail": "lookup"}, "the tool “lookup” kept failing"),
        (EscalationTrigger.TOPIC, {"detail": "billing"}, "the topic “billing”"),
        (EscalationTrigger.API, {"detail": None, "reason": "wants\ta refund"}, "wants a refund"),
        (EscalationTrigger.TEAM_MEMBER, {"detail": "I know her"}, "I know her"),
        (EscalationTrigger.TEAM_MEMBER, {"detail": None}, "a team member took over"),
    ],
)
def test_every_trigger_is_described_in_words(
    trigger: EscalationTrigger, changes: dict[str, Any], why: str
) -> None:
    message = composed(create_story(trigger=trigger, **changes))
    assert message["Subject"] == f"[HIGH] Jane Doe: {why}"
    written = trigger is EscalationTrigger.API or why == "I know her"
    assert f"\nReason: {why if written else why[0].upper() + why[1:]}" in text_of(message)


def test_customer_without_a_name_is_named_by_known_details() -> None:
    story = create_story(name=None)
    assert composed(story)["Subject"] == "[HIGH] jane@customer.example: asked for a person"
    conversation = replace(story.conversation, customer_email=None)
    assert "] crm-7: " in str(composed(replace(story, conversation=conversation))["Subject"])
    nobody = replace(conversation, customer_external_id=None, customer_name=" \u202e\u200b")
    assert "] A customer: " in str(composed(replace(story, conversation=nobody))["Subject"])


def lead_of(type_: str, **changes: Any) -> str:
    message = composed(replace(create_story(type_=type_, **changes), occurred_at=AT + timedelta(hours=1)))
    [lead] = page_of(message).texts["lead"]
    assert " ".join(text_of(message).partition("\n\n")[0].split()) == lead
    return lead


def test_event_is_stated_first() -> None:
    due = "4 March 2026, 16:30 UTC"
    assert lead_of(CREATED) == f"Jane Doe waits for a person. The first reply is due {due}."
    assert lead_of(REOPENED) == f"The escalation of Jane Doe was reopened. The first reply is due {due}."
    nobody = "Jane Doe has no reply yet, and time is running out."
    assert lead_of(AT_RISK) == f"{nobody} The first reply is due {due}."
    overdue = "Overdue: Jane Doe got no reply in time."
    assert lead_of(BREACHED, due_at=AT) == f"{overdue} The first reply was due 4 March 2026, 14:30 UTC."
    answered = f"{overdue} The first reply was given {due}."
    assert lead_of(BREACHED, first_responded_at=AT + timedelta(hours=2)) == answered
    soon = lead_of(CREATED, first_responded_at=AT + timedelta(minutes=1))
    assert soon == "Jane Doe has a reply already. The first reply was given 4 March 2026, 14:31 UTC."
    late = lead_of(CREATED, status=EscalationStatus.RESOLVED)
    assert late == "Jane Doe waits for a person. It has been resolved in the meantime."


def test_facts_are_the_same_in_both_parts() -> None:
    story = create_story(
        status=EscalationStatus.IN_PROGRESS,
        assignee_name="Ann Example",
        first_responded_at=AT + timedelta(minutes=5),
        resolution_note="Sent her\nthe money.",
        due_at=AT + timedelta(minutes=90),
        target_minutes=90,
    )
    message = composed(story)
    facts = {
        "Customer": "Jane Doe, jane@customer.example, crm-7",
        "Reason": "Asked for a person: “talk to a human”",
        "Status": "In progress, assigned to Ann Example",
        "Raised": "4 March 2026, 14:30 UTC",
        "First reply due": "4 March 2026, 16:00 UTC (target: 1 hour and 30 minutes)",
        "First reply": "4 March 2026, 14:35 UTC",
        "Resolution": "Sent her the money.",
        "AI agent": "Support AI (Shop Inc)",
    }
    assert "Summary" not in text_of(message)
    page = page_of(message)
    assert dict(zip(page.texts["th"], page.texts["td"], strict=True)) == facts
    assert page.texts["title"] == [message["Subject"]]
    assert page.texts["badge HIGH"] == ["HIGH"]
    plain = text_of(message)
    assert [line for line in plain.splitlines() if line.partition(":")[0] in facts] == [
        f"{name}: {value}" for name, value in facts.items()
    ]
    assert f"Open the escalation:\n{LINK}\n" in plain


def test_html_part_loads_nothing_remote_and_supports_dark_mode() -> None:
    html = text_of(composed(create_story(create_said("Hello"))), "html")
    page = Page(html)
    assert page.elements.isdisjoint({"script", "img", "link", "iframe", "form", "input", "object", "svg"})
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    assert 'name="color-scheme" content="light dark"' in html
    assert "@media (prefers-color-scheme: dark)" in html
    # Styles stand on the elements, for the programs that leave a page's own out.
    assert 'class="words" dir="auto" style="white-space: pre-wrap' in html


@pytest.mark.parametrize("words", ["word ", "😀", "<&\"'", "\nx", "é", "=", "例 "])
def test_long_conversation_is_shortened_visibly(words: str) -> None:
    said = [create_said(f"{place}. {words * 20_000}"[:20_000], minute=place) for place in range(60)]
    raw = compose(create_story(*said), sender=SENDER, recipient=TEAM, include_transcript=True)
    size, html = sizes(raw)
    assert 50_000 < size <= MAIL_LIMIT
    assert html <= HTML_LIMIT
    page = page_of(read(raw))
    shown = page.texts["words"]
    first = 60 - len(shown)
    assert [item.partition(".")[0] for item in shown] == [str(place) for place in range(first, 60)]
    left_out = f"{first} earlier messages left out: the whole conversation is in Baton."
    more = f"… {20_000 - 4_000:,} more characters in Baton"
    assert page.texts["left-out"] == [left_out] + [more] * len(shown)
    plain = text_of(read(raw))
    assert left_out in " ".join(plain.split())
    assert plain.count(f"    {more}\n") == len(shown)


def test_short_conversation_is_shown_whole() -> None:
    said = [create_said(f"{place}. " + "word " * 30, minute=place) for place in range(60)]
    page = page_of(composed(create_story(*said)))
    assert len(page.texts["words"]) == 60
    assert "left-out" not in page.texts


def raised(place: int, **changes: Any) -> NotificationContent:
    said = create_said(f"Message of {place}")
    return create_story(said, id_=f"dlv_1.{place}", id=f"esc_{place}", name=f"Customer {place}", **changes)


def digest_of(*stories: NotificationContent, transcript: bool = True, agent: str = "Support AI") -> bytes:
    return compose_digest(
        stories,
        id="dlv_9",
        sender=SENDER,
        recipient=TEAM,
        agent_name=agent,
        since=AT.replace(minute=0, second=0),
        until=AT.replace(hour=15, minute=0, second=0),
        include_transcript=transcript,
    )


def test_digest_lists_each_escalation_once_by_urgency() -> None:
    urgent = raised(3, priority=Priority.URGENT, trigger=EscalationTrigger.TOPIC, detail="fire")
    soon, later = raised(2, due_at=AT + timedelta(minutes=1)), raised(1)
    at_risk = replace(later, id="dlv_1.9", type=AT_RISK, occurred_at=AT + timedelta(minutes=20))
    message = read(digest_of(later, soon, urgent, at_risk))
    assert message["Subject"] == "[URGENT] 3 escalations of Support AI, 14:00 to 15:00 UTC on 4 March 2026"
    assert message["Date"] == "Wed, 04 Mar 2026 15:00:00 +0000"
    assert str(message["Message-ID"]).startswith("<dlv_9.")
    assert message["References"] is None
    page, plain = page_of(message), text_of(message)
    titles = ["Customer 3: the topic “fire”", *(f"Customer {n}: asked for a person" for n in (2, 1))]
    assert [item for item in page.texts["span"] if item] == titles
    assert [line.partition("] ")[2] for line in plain.splitlines() if line.startswith("[")] == titles
    happened = ["raised 14:30 UTC", "raised 14:30 UTC", "raised 14:30 UTC, at risk 14:50 UTC"]
    assert [item for item in page.texts["td"] if item.startswith("raised")] == happened
    assert page.texts["words"] == ["Message of 3", "Message of 2", "Message of 1"]
    assert page.links == [LINK] * 3
    assert "Message of" not in text_of(read(digest_of(later, transcript=False)))


def test_digest_of_many_events_stays_small_and_states_the_omission() -> None:
    words = "😀" * 5_000
    stories = [
        create_story(
            *[create_said(words, minute=minute) for minute in range(5)],
            id=f"esc_{place}",
            priority=list(Priority)[place % 4],
            trigger=EscalationTrigger.API,
            reason=words[:2_000],
            name=words[:200],
        )
        for place in range(300)
    ]
    raw = digest_of(*stories)
    size, html = sizes(raw)
    message = read(raw)
    assert size <= MAIL_LIMIT
    assert html <= HTML_LIMIT
    shown = len(page_of(message).links)
    assert 0 < shown <= DIGEST_LIMIT
    for kind in ("plain", "html"):
        assert f"Not shown: {300 - shown} less urgent escalations. See the dashboard." in text_of(
            message, kind
        )
    assert str(message["Subject"]).startswith("[URGENT] 300 escalations of Support AI")
    assert set(page_of(message).texts["badge URGENT"]) == {"URGENT"}


@pytest.mark.parametrize("words", ["ok", "word " * 60, "😀" * 4_000])
def test_full_digest_shows_the_newest_of_each_conversation(words: str) -> None:
    said = [create_said(f"{minute}. {words}", minute=minute) for minute in range(9)]
    stories = [create_story(*said, id=f"esc_{place}") for place in range(DIGEST_LIMIT)]
    raw = digest_of(*stories)
    size, html = sizes(raw)
    assert 60_000 < size <= MAIL_LIMIT
    assert html <= HTML_LIMIT
    page = page_of(read(raw))
    assert len(page.links) == DIGEST_LIMIT
    assert len([word for word in page.texts["words"] if word.startswith("8. ")]) == DIGEST_LIMIT


def test_digest_without_events_is_refused() -> None:
    with pytest.raises(ValueError, match="a digest needs an event"):
        digest_of()


def test_sample_mail_shows_that_mails_arrive_and_how_they_look() -> None:
    story = create_story(create_said("Hello"), type_="test")
    message = read(compose_test(story, sender=SENDER, recipient=TEAM))
    assert message["Subject"] == "Test: email notifications of Support AI work"
    page = page_of(message)
    assert page.texts["lead"][0].startswith("This is a test; there is nothing to do.")
    assert (page.texts["words"], page.links) == (["Hello"], [LINK])
    bare = page_of(read(compose_test(replace(story, escalation=None), sender=SENDER, recipient=TEAM)))
    assert bare.links == []


def test_subjects_are_short_whatever_the_agent_is_called() -> None:
    story = replace(create_story(create_said("Hello")), agent_name="Ägent " * 33)
    for raw in (digest_of(story, agent=story.agent_name), compose_test(story, sender=SENDER, recipient=TEAM)):
        assert len(str(read(raw)["Subject"])) <= SUBJECT_LIMIT


@pytest.mark.parametrize(
    ("type_", "sender", "recipient"),
    [
        ("escalation.updated", SENDER, TEAM),
        ("test", SENDER, TEAM),
        (CREATED, SENDER, "a@b.example, c@d.example"),
        (CREATED, SENDER, "a@b.example\r\nBcc: c@d.example"),
        (CREATED, SENDER, "a\0@b.example"),
        (CREATED, SENDER, "Ann <a@b.example>"),
        (CREATED, "Baton", TEAM),
        (CREATED, "Baton <a@b.example, c@d.example>", TEAM),
        (CREATED, "Baton\r\nBcc: x@y.example <a@b.example>", TEAM),
    ],
)
def test_impossible_mail_is_refused(type_: str, sender: str, recipient: str) -> None:
    with pytest.raises(ValueError, match=" "):
        compose(create_story(type_=type_), sender=sender, recipient=recipient, include_transcript=True)
    with pytest.raises(ValueError, match="not notified by email"):
        compose(
            replace(create_story(), escalation=None), sender=SENDER, recipient=TEAM, include_transcript=True
        )


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("Baton <baton@example.com>", "Baton", "baton@example.com"),
        ('"Baton, (Inc.) \\ \\"x" <baton@example.com>', 'Baton, (Inc.) \\ \\"x', "baton@example.com"),
        ("Bätön 😀 <baton@bücher.example>", "Bätön 😀", "baton@xn--bcher-kva.example"),
        ("=?utf-8?q?x?= <baton@example.com>", "=?utf-8?q?x?=", "baton@example.com"),
        (f"{'Ba tön ' * 14}B <baton@localhost>", f"{'Ba tön ' * 14}B", "baton@localhost"),
        (f"{'Baton. ' * 14}B <baton@localhost>", f"{'Baton. ' * 14}B", "baton@localhost"),
        ("baton@example.com", "", "baton@example.com"),
    ],
)
def test_sender_is_written_as_it_was_set(sender: str, name: str, address: str) -> None:
    raw = compose(create_story(), sender=sender, recipient="ann@bücher.example", include_transcript=False)
    message = read(raw)
    [shown] = message["From"].addresses
    # The standard library makes two spaces of one between two encoded words of a name.
    assert (" ".join(shown.display_name.split()), shown.addr_spec) == (name, address)
    assert str(message["Message-ID"]).endswith(f"@{address.partition('@')[2]}>")
    assert message["To"] == "ann@xn--bcher-kva.example"


def test_target_in_business_hours_is_in_working_days_in_mails_and_digests() -> None:
    week = [{"day": day, "opens": "09:00", "closes": "17:00"} for day in ("MONDAY", "TUESDAY")]
    hours = {"timezone": "UTC", "week": week, "holidays": [], "holiday_calendar": None}
    story = create_story(target_minutes=1_440, business_hours=hours)
    for raw in (composed(story), read(digest_of(story))):
        assert "(target: 3 working days)" in text_of(raw)
        assert "1 day" not in text_of(raw)


def test_summary_of_the_caller_is_among_the_facts() -> None:
    words = "Was charged twice:\nJosé & <b>Zoë</b>"
    message = composed(create_story(summary=words, trigger=EscalationTrigger.API))
    assert "Summary: Was charged twice: José & <b>Zoë</b>\n" in text_of(message)
    assert "b" not in page_of(message).elements
