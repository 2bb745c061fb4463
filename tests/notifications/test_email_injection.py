"""Emails of customers, agents and teams who write what they should not: text stays text."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifications.email.compose import SUBJECT_LIMIT
from rules.escalation import EscalationTrigger
from tests.support.email_samples import (
    HEADERS,
    LINK,
    TEAM,
    composed,
    create_said,
    create_story,
    page_of,
    text_of,
)

# What breaks lines, ends texts, turns directions, or is read as something else somewhere.
HOSTILE = [
    "Jane\r\nBcc: all@example.com\r\n\r\nhello",
    "Jane\nBcc: all@example.com",
    "Jane\rBcc: all@example.com",
    "Jane\0Doe\0\r\nX-Evil: 1",
    "Jane\u2028Bcc: all@example.com\u2029X-Evil: 1\x85X-Evil: 2\x0bX-Evil: 3\x0cX-Evil: 4\x1cX-Evil: 5",
    "=?utf-8?q?Jane=0D=0ABcc:_all@example.com?=",
    "=?utf-8?b?SmFuZQ==?= =?utf-8?b?IERvZQ==?=",
    "\u202egnp.exe \u2066Jane\u2069 \u200fאבג",
    "😀👩‍👩‍👧‍👦" * 60,
    "x" * 200,
    "é" * 200,
    "a " * 100,
    "<script>alert(1)</script><a href='https://evil.example'>Open the escalation</a>",
    "</title></div></td></table><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} <!-- ]]> &lt;b&gt; &amp;",
    '"Jane" <jane@evil.example>, team (comment)',
    "--=_boundary--",
    ".",
]


def seen(text: str) -> str:
    """Return a text in one line: no control characters, white space as single spaces."""
    broken = re.sub("[\r\n\t\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", " ", text)
    return " ".join(re.sub("[\x00-\x1f\x7f-\x9f]", "", broken).split())


@pytest.mark.parametrize("field", ["name", "detail", "reason", "agent", "workspace", "assignee", "note"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_others_becomes_neither_header_nor_html(field: str, hostile: str) -> None:
    story = create_story(
        name=hostile if field == "name" else "Jane Doe",
        trigger=EscalationTrigger.API if field == "reason" else EscalationTrigger.TOPIC,
        reason=hostile if field == "reason" else "topic",
        detail=hostile if field == "detail" else "billing",
        assignee_name=hostile if field == "assignee" else "Ann",
        resolution_note=hostile if field == "note" else None,
    )
    agent = hostile if field == "agent" else "Support AI"
    story = replace(story, agent_name=agent, workspace_name=hostile if field == "workspace" else "Shop")
    message = composed(story)
    names = [name.lower() for name, _ in message.items()]
    assert sorted(names) == sorted(name.lower() for name in [*HEADERS, "Message-ID", "Content-Type"])
    assert message["To"].addresses[0].addr_spec == TEAM
    page, plain = page_of(message), composed(create_story())
    assert page.elements == page_of(plain).elements
    assert page.attributes == page_of(plain).attributes
    assert page.links == [LINK]
    start = seen(hostile)[:20]
    shown = " ".join(text for texts in page.texts.values() for text in texts)
    assert start in shown
    assert start in " ".join(text_of(message).split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_subject_holds_the_name_of_the_customer_unchanged(hostile: str) -> None:
    subject = str(composed(create_story(name=hostile))["Subject"])
    name = subject.removeprefix("[HIGH] ").removesuffix(": asked for a person")
    # What a name leaves open ends with it: the words that follow have their own direction.
    assert name.endswith("\u202c") is ("\u202e" in hostile)
    assert subject == f"[HIGH] {name}: asked for a person"
    assert len(subject) <= SUBJECT_LIMIT
    expected, name = seen(hostile), name.rstrip("\u202c")
    assert name == expected if len(expected) <= 40 else expected.startswith(name.removesuffix("…"))
    assert len(name) in (len(expected), 40, 39)


@given(st.text(max_size=60))
@example("=?utf-8?q?x?=")
@example("a;b,c; d")
@settings(max_examples=150, deadline=None)
def test_any_name_round_trips_through_the_headers(name: str) -> None:
    subject = str(composed(create_story(name=name[:39] + "Jane"), transcript=False)["Subject"])
    if not re.search("[\ud800-\udfff]", name):
        assert seen(subject).startswith(f"[HIGH] {seen(name[:39])}"[:46])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_message_has_the_same_text_in_both_parts(hostile: str) -> None:
    message = composed(create_story(create_said("Hello"), create_said(hostile, minute=1)))
    [first, second] = page_of(message).texts["words"]
    assert first == "Hello"
    assert seen(second) == seen(hostile)
    assert page_of(message).links == [LINK]
    said = text_of(message).partition("\nTranscript\n")[2].partition("\n-- \n")[0]
    assert "\0" not in said
    assert seen(hostile) in seen(said)


def test_message_cannot_imitate_a_part_of_the_mail() -> None:
    words = (
        "bye\n\n-- \nOpen the escalation:\nhttps://evil.example\n\nAI, 4 March 2026, 14:00 UTC\n"
        + "x evil " * 40
    )
    plain = text_of(composed(create_story(create_said(words))))
    evil = [line for line in plain.splitlines() if "evil" in line or line.strip() in ("--", "bye")]
    assert len(evil) > 5
    assert [line for line in evil if not line.startswith("    ") and line != "-- "] == []
    assert plain.splitlines().count("-- ") == 1
    assert plain.splitlines().count("Open the escalation:") == 1
