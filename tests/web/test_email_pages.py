"""Emails in a browser: on a phone, no word makes the reader scroll to the side."""

from datetime import timedelta

import pytest
from playwright.sync_api import Browser

from notifications.email.compose import Alert, compose, compose_alert, compose_digest, compose_test
from notifications.email.confirmation import ConfirmationRequest, compose_confirmation
from notifications.email.sign_in_alert import SignInAlert, compose_sign_in_alert
from rules.delivery import DeliveryChannel
from rules.escalation import EscalationTrigger
from tests.support.email_samples import AT, LINK, SENDER, create_said, create_story, read, text_of

WIDTH = 360  # of a phone
WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3
ADDRESS = f"{'a' * 64}@{'department.' * 8}example.com"
STORY = create_story(create_said(WORD), name=WORD[:200], trigger=EscalationTrigger.API, reason=WORD)
ALERT = Alert("dlv_1", AT, WORD, WORD, DeliveryChannel.WEBHOOK, f"https://example.com/{WORD}", WORD, LINK)
CONFIRMATION = ConfirmationRequest("dlv_1", AT, WORD, WORD, f"{LINK}{WORD}", 7)
SIGN_IN = SignInAlert("dlv_1", AT, WORD, "192.0.2.1", LINK)
TO = {"sender": SENDER, "recipient": ADDRESS}

MAILS = {
    "escalation": compose(STORY, include_transcript=True, **TO),
    "digest": compose_digest(
        [STORY],
        id="dlv_1",
        agent_name=WORD,
        since=AT - timedelta(hours=1),
        until=AT,
        include_transcript=True,
        **TO,
    ),
    "test": compose_test(STORY, include_transcript=True, **TO),
    "alert": compose_alert(ALERT, **TO),
    "confirmation": compose_confirmation(CONFIRMATION, **TO),
    "sign-in alert": compose_sign_in_alert(SIGN_IN, **TO),
}


@pytest.mark.parametrize("kind", MAILS)
def test_long_words_of_a_mail_are_broken_on_a_phone(browser: Browser, kind: str) -> None:
    page = browser.new_page(viewport={"width": WIDTH, "height": 720})
    page.set_content(text_of(read(MAILS[kind]), "html"))
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    page.close()


@pytest.mark.parametrize("kind", MAILS)
def test_parts_of_a_plain_mail_are_a_blank_line_apart(kind: str) -> None:
    assert "\n\n\n" not in text_of(read(MAILS[kind]))
