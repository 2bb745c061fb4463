"""Emails to members whose password someone has tried to guess."""

import httpx

from tests.support.baton_client import PASSWORD, wait_for
from tests.support.callers import Rows, new_email
from tests.support.member_cases import INVITE, SIGN_IN, code_of
from tests.support.notification_sinks import Outside

HERE = {"x-forwarded-for": "203.0.113.66"}


def test_member_gets_one_mail_a_day_about_guessed_passwords(outside: Outside) -> None:
    with httpx.Client(timeout=30) as client:
        rows = Rows(outside.server.new_workspace(), client)
        nobody = rows.key.as_one(None)
        email, unknown = "guessed@example.com", new_email()
        given = {"email": email, "name": "Gus Guessed", "role": "AGENT", "password": PASSWORD}
        rows.key.ask(INVITE, input=given)

        def guess(email: str, **address: str) -> set[str | None]:
            answers = [nobody.send(SIGN_IN, {"e": email, "p": "wrong"}, **address) for _ in range(10)]
            return set(map(code_of, answers))

        assert guess(unknown, **HERE) == {"UNAUTHENTICATED"}
        assert guess(email, **HERE) == {"UNAUTHENTICATED"}
        (mail,) = outside.mails(email, 1)
        assert mail.message["Subject"] == "Failed attempts to sign in as you"
        text = mail.text()
        assert "203.0.113.66" in text
        assert "/app/profile" in text
        assert guess(email, **{"x-forwarded-for": "203.0.113.67"}) == {"UNAUTHENTICATED"}
        deliveries = "{ deliveries(first: 10) { nodes { eventType target status } } }"

        def delivered() -> bool:
            (delivery,) = rows.key.ask(deliveries)["deliveries"]["nodes"]
            assert (delivery["eventType"], delivery["target"]) == ("sign_in_alert", email)
            return bool(delivery["status"] == "DELIVERED")

        wait_for(delivered, "the mail to be recorded")
        assert len(outside.mails_to(email)) == 1
        assert outside.mails_to(unknown) == []
