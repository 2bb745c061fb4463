"""Text of customers and team members arrives unchanged through a mail server, a webhook and Slack."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from notifications.email import smtp
from notifications.email.compose import compose as compose_email
from notifications.email.compose import compose_digest
from notifications.slack import api as slack_api
from notifications.slack.compose import compose as compose_slack
from notifications.webhook.compose import compose
from notifications.webhook.send import new_secret
from notifications.webhook.send import send as send_webhook
from rules.escalation import EscalationStatus, EscalationTrigger
from tests.support.email_samples import SENDER, TEAM, create_said, create_story, page_of, text_of
from tests.support.mail_sink import MailSink
from tests.support.slack_server import SlackStandIn
from tests.support.webhook_receivers import Receiver

TEXTS = [
    "order_id __init__ *not bold* `code` ~x~ :smile: > quote",
    "see https://example.com/a:b?c=d&e=%20f#g, jane_doe+x@example.com",
    "esc_01m8jy6kzxewk8qqr9hk594w9q MSG-7 lower and UPPER",
    "<b>bold</b> & &amp; &lt;! <!channel> {reason} {{ 7 * 7 }}",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 é A\u030a Å ﬁ",
    "مرحبا \u2067שלום\u2069 \u200f123\u200e",
    "zero\u200bwidth\u2060joiner\ufeff soft\u00adhyphen no\u00a0break",
    "\u202eno direction leaks",
    "=?utf-8?q?not_encoded?= two  spaces",
]

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("text", TEXTS)
async def test_mail_shows_every_character_of_message_and_name(text: str) -> None:
    story = create_story(create_said(text), name=text[:39])
    with MailSink() as sink:
        raw = compose_email(story, sender=SENDER, recipient=TEAM, include_transcript=True)
        outcome = await smtp.send(smtp.Smtp.of(f"{sink.url}?from=baton@example.com"), raw, TEAM)
        assert outcome.succeeded
        [mail] = await asyncio.to_thread(sink.wait_for, 1)
    assert page_of(mail.message).texts["words"] == [text]
    # The plain part wraps at spaces: a short text has a line of its own.
    assert f"    {text}" in text_of(mail.message).splitlines()
    name = str(mail.message["Subject"]).removeprefix("[HIGH] ").removesuffix(": asked for a person")
    assert name.rstrip("\u202c\u2069") == text[:39].strip().rstrip("\u202c\u2069")


@pytest.mark.parametrize("text", TEXTS)
async def test_webhook_carries_every_character(text: str) -> None:
    story = replace(create_story(create_said(text), name=text, detail=text), message=create_said(text))
    with Receiver() as receiver:
        outcome = await send_webhook(
            receiver.url, compose(story), "dlv_1", [new_secret()], allow_private=True, at=datetime.now(UTC)
        )
        assert outcome.succeeded
        [received] = receiver.received
    data = json.loads(received.body)["data"]
    assert (data["customerName"], data["detail"], data["transcript"][0]["content"]) == (text, text, text)


@pytest.mark.parametrize("text", TEXTS)
async def test_slack_gets_every_character_as_text_without_markup(text: str) -> None:
    story = create_story(create_said(text), name=text, trigger=EscalationTrigger.API, reason=text)
    with SlackStandIn.started() as slack:
        body = compose_slack(story, channel="C0123", message_format="{reason}", mentions=[])
        assert (await slack_api.send("xoxb-1234-5678-abcdefgh", body, slack.url)).succeeded
        [message] = slack.messages
    [block] = [block for block in message["blocks"] if block["type"] == "rich_text"]
    [element] = block["elements"][0]["elements"]
    assert element["type"] == "text"
    assert "style" not in element
    assert element["text"].rstrip("\u202c\u2069") == text.rstrip("\u202c\u2069")


async def test_times_of_a_mail_are_in_the_schedules_zone_with_its_name() -> None:
    story = replace(create_story(create_said("hello")), time_zone="America/New_York")
    raw = compose_email(story, sender=SENDER, recipient=TEAM, include_transcript=True)
    plain = raw.decode()
    assert "America/New_York" in plain
    assert "11:30 America/New_York" in plain
    assert "UTC" not in plain


@pytest.mark.parametrize(("replied", "shown"), [(False, False), (True, True)])
async def test_digest_shows_the_due_time_of_a_resolved_escalation_only_with_a_reply(
    replied: bool, shown: bool
) -> None:
    story = create_story()
    assert story.escalation
    at = story.occurred_at
    escalation = replace(
        story.escalation,
        status=EscalationStatus.RESOLVED,
        resolved_at=at,
        first_responded_at=at if replied else None,
    )
    raw = compose_digest(
        [replace(story, escalation=escalation)],
        id="dlv_1",
        sender=SENDER,
        recipient=TEAM,
        agent_name="Support AI",
        since=at - timedelta(hours=1),
        until=at,
        include_transcript=False,
    )
    assert ("First reply due" in raw.decode()) is shown
