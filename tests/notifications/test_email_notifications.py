"""Immediate mails to the team: one to each recipient, their content, and failures."""

from collections.abc import Iterator

import pytest

from rules.email_address import named_address
from tests.support.baton_client import Server
from tests.support.email_samples import page_of, read, text_of
from tests.support.mail_sink import Fault, MailSink
from tests.support.notification_sinks import Outside, Row, Team, at, events_of
from tests.support.sla_clocks import QUICK, Clock, bring
from tests.support.webhook_helpers import end_minute

LATER = "451 4.7.1 Try again later"
TOLD = ["created", "sla_at_risk", "sla_breached", "reopened"]


@pytest.fixture
def server(outside: Outside) -> Server:
    return outside.server


@pytest.fixture(autouse=True)
def sink(outside: Outside) -> Iterator[MailSink]:
    """A mail server that takes everything, until a test wants it otherwise."""
    yield outside.sink
    outside.sink.faults.clear()


# ---- what arrives


def test_each_recipient_gets_a_mail_of_its_own_immediately(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann", "bob")
    escalation = team.escalate(name="Jane Doe", email="jane@customer.example")
    deliveries = team.ended()
    mails = [outside.mails(team.address(name), 1)[0] for name in ("ann", "bob")]
    assert [(item["target"], item["eventType"], item["status"]) for item in deliveries] == [
        (team.address(name), "escalation.created", "DELIVERED") for name in ("ann", "bob")
    ]
    for mail, delivery in zip(mails, deliveries, strict=True):
        message = read(mail.raw)
        assert mail.recipients == [message["To"]] == [delivery["target"]]
        assert message["Message-ID"].startswith(f"<{delivery['id']}.")
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Subject"] == "[MEDIUM] Jane Doe: needs a person"
        link = f"http://127.0.0.1:{server.port}/app/escalations/{escalation}"
        assert link in text_of(message)
        assert page_of(message).links == [link]
        (attempt,) = delivery["attempts"]
        assert (attempt["succeeded"], attempt["response"]) == (True, "250 2.0.0 OK kept")
        assert delivery["escalation"] == {"id": escalation}
        assert (delivery["note"], delivery["nextAttemptAt"]) == (None, None)
        assert at(delivery["createdAt"]) <= at(attempt["attemptedAt"])


def test_mails_report_four_events_in_one_thread_and_no_others(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann", sla=QUICK)
    clock = Clock.begin(team.workspace)
    team.when(lambda all_: events_of(all_) == TOLD[:2], "the clock at risk")
    team.ended()
    team.update(clock.id, note="a note", priority="LOW", assignTo=team.workspace.email)
    bring([clock], "sla_due_at", 0)
    team.when(lambda all_: events_of(all_) == TOLD[:3], "the breach")
    clock.reply()
    team.key.resolve(clock.id)
    team.reopen(clock.id)
    assert events_of(team.ended()) == TOLD
    mails = [read(mail.raw) for mail in outside.mails(team.address("ann"), 4)]
    assert len({mail["Message-ID"] for mail in mails}) == 4
    (thread,) = {str(mail["References"]) for mail in mails}
    assert clock.id in thread
    assert {str(mail["In-Reply-To"]) for mail in mails} == {thread}
    assert [str(mail["Subject"]).startswith("Re: ") for mail in mails] == [False, True, True, True]
    leads = ["waits for a person", "time is running out", "Overdue", "was reopened"]
    for mail, lead in zip(mails, leads, strict=True):
        assert lead in text_of(mail)
        assert lead in text_of(mail, "html")
    other = team.escalate()
    (apart,) = [read(mail.raw) for mail in outside.mails(team.address("ann"), 5)[4:]]
    assert other in apart["References"]


@pytest.mark.parametrize("with_transcript", [True, False], ids=["with a transcript", "without"])
def test_transcript_is_in_mails_when_wanted_and_a_held_reply_never(
    outside: Outside, server: Server, with_transcript: bool
) -> None:
    team = Team.create(server, "ann", email={"includeTranscript": with_transcript})
    started = team.workspace.start(customer={"name": "Jane"})
    conversation, key = started["conversation"]["id"], team.key
    team.workspace.widget(started).record(conversation, "USER", "Where is\nmy parcel?")
    key.record(conversation, "ASSISTANT", "On its way & safe.", confidence=90)
    with team.unplanned():
        escalation = key.escalate(conversation)["escalation"]["id"]
        assert key.record(conversation, "ASSISTANT", "a draft")["message"]["status"] == "HELD"
        team.update(escalation, note="an internal note")
        key.reply(escalation, "I look after it.", authorEmail=team.workspace.email)
    team.ended()
    key.resolve(escalation)
    team.reopen(escalation)
    assert events_of(team.ended()) == ["created", "reopened"]
    for mail in outside.mails(team.address("ann"), 2):
        message = read(mail.raw)
        texts = [text_of(message), " ".join(" ".join(item) for item in page_of(message).texts.values())]
        for text in texts:
            words = " ".join(text.split())
            for said in ("Where is my parcel?", "On its way & safe.", "I look after it."):
                assert (said in words) == with_transcript
            assert "Jane" in words
            for hidden in ("a draft", "internal note", "has been escalated to our support team"):
                assert hidden not in words


EVIL = (
    "Jane\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>"
    "<a href='https://evil.example'>Open the escalation</a> \u202e=?utf-8?q?=0D=0ABcc:_x?="
)


def test_customer_text_stays_text(outside: Outside, server: Server) -> None:
    team, plain = Team.create(server, "ann"), Team.create(server, "ann")
    for writers, words, name in (
        (team, EVIL, f'{EVIL[:150]}" <all@example.com>'),
        (plain, "help\nme", "Jane"),
    ):
        conversation = writers.workspace.start(customer={"name": name})["conversation"]["id"]
        writers.key.record(conversation, "USER", words)
        writers.key.escalate(conversation, words)
    hostile, usual = (read(outside.mails(item.address("ann"), 1)[0].raw) for item in (team, plain))
    assert [name for name, _ in hostile.items()] == [name for name, _ in usual.items()]
    assert hostile["To"].addresses[0].addr_spec == team.address("ann")
    page = page_of(hostile)
    assert page.elements == page_of(usual).elements
    assert [str(link).rpartition("/")[0] for link in page.links] == [f"{server.url}/app/escalations"]
    shown = [text_of(hostile), " ".join(" ".join(item) for item in page.texts.values())]
    for text in (*shown, str(hostile["Subject"])):
        assert "Jane Bcc: all@example.com <script>" in " ".join(text.split())
        # The writing direction that a name opens ends with the name.
        assert text.count("\u202e") <= text.count("\u202c") + text.count("\n")
    assert [mail.recipients for mail in outside.sink.mails if "all@example.com" in str(mail.recipients)] == []


# ---- mails that do not arrive immediately


def test_postponed_mail_is_sent_unchanged_on_its_schedule(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann", "bob")
    outside.sink.faults["MESSAGE"] = LATER
    with team.unplanned():
        team.told_by(email={"recipients": [team.address("ann")]})
        escalation = team.escalate(name="Jane")
    first = team.tried()
    (attempt,) = first["attempts"]
    assert (first["status"], attempt["succeeded"], attempt["response"]) == ("PENDING", False, LATER)
    assert 4 < (at(first["nextAttemptAt"]) - at(attempt["attemptedAt"])).total_seconds() < 7
    body = team.row(first)["body"]
    # It is composed once: what becomes different meanwhile is none of its business.
    team.told_by(email={"includeTranscript": False})
    team.key.reply(escalation)
    outside.sink.faults.clear()
    (delivery,) = team.ended()
    (mail,) = outside.mails(team.address("ann"), 1)
    # The mail server writes its own line before it.
    assert mail.raw.endswith(body)
    assert read(mail.raw)["Message-ID"].startswith(f"<{first['id']}.")
    assert [item["response"] for item in delivery["attempts"]] == [LATER, "250 2.0.0 OK kept"]
    assert at(delivery["attempts"][1]["attemptedAt"]) >= at(first["nextAttemptAt"])


def test_unreachable_mail_server_is_tried_again(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann")
    outside.sink.faults["CONNECT"] = Fault.RESET
    team.escalate()
    team.escalate()
    team.catch_up()
    waiting = team.when(lambda all_: any(entry["attempts"] for entry in all_), "an attempt")
    assert [len(entry["attempts"]) for entry in waiting] == [1, 0], "the others wait for the first"
    assert waiting[0]["attempts"][0]["response"].startswith(("the connection broke", "no connection"))
    outside.sink.faults.clear()
    team.bring(*waiting)
    assert {item["status"] for item in team.ended()} == {"DELIVERED"}
    assert len({mail.message["Message-ID"] for mail in outside.mails(team.address("ann"), 2)}) == 2


CHANGES: dict[str, tuple[Row, Row]] = {
    "removed": ({"recipients": []}, {"recipients": None}),
    "switched off": ({"enabled": False}, {"enabled": True}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_former_recipient_gets_nothing(outside: Outside, server: Server, change: str) -> None:
    team = Team.create(server, "ann")
    outside.sink.faults["RCPT"] = LATER
    team.escalate()
    waiting = team.tried()
    off, on = CHANGES[change]
    team.told_by(email=off)
    outside.sink.faults.clear()
    team.bring(waiting)
    (dropped,) = team.ended()
    assert (dropped["status"], dropped["nextAttemptAt"]) == ("DROPPED", None)
    assert "no recipient any more" in dropped["note"]
    assert dropped["note"].endswith("then retry.")
    assert len(dropped["attempts"]) == 1
    team.escalate()
    assert team.ended() == [dropped], "and is told of nothing new"
    assert outside.mails_to(team.address("ann")) == []
    team.told_by(email={**on, "recipients": [team.address("ann")]})
    assert team.retry(dropped)["status"] == "PENDING"
    (delivered,) = team.ended()
    assert (delivered["status"], delivered["note"]) == ("DELIVERED", None)
    outside.mails(team.address("ann"), 1)


def test_removed_recipient_leaves_the_others(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann", "Bob")
    outside.sink.faults["RCPT"] = LATER
    team.escalate()
    team.catch_up()
    waiting = team.when(lambda all_: all(item["attempts"] for item in all_), "attempts")
    team.told_by(email={"recipients": [team.address("bob")]})
    outside.sink.faults.clear()
    team.bring(*waiting)
    assert {item["target"]: item["status"] for item in team.ended()} == {
        team.address("ann"): "DROPPED",
        team.address("Bob"): "DELIVERED",
    }


def test_sample_reports_its_result(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann", "bob")
    outside.sink.faults["RCPT"] = "550 5.1.1 No such person"
    refused = team.sample("EMAIL")
    assert [entry["target"] for entry in refused] == [team.address("ann"), team.address("bob")]
    for entry in refused:
        assert [attempt["response"] for attempt in entry["attempts"]] == ["550 5.1.1 No such person"]
        assert (entry["status"], entry["note"]) == (
            "FAILED",
            "Another attempt cannot succeed: 550 5.1.1 No such person",
        )
    outside.sink.faults.clear()
    end_minute(team.workspace)
    sent = team.sample("EMAIL")
    assert [(item["status"], item["eventType"], item["escalation"]) for item in sent] == [
        ("DELIVERED", "test", None)
    ] * 2
    # One at a time: the refused mail arrives too, before or after it.
    subjects = [str(mail.message["Subject"]) for mail in outside.mails_to(team.address("bob"))]
    assert set(subjects) == {"Test: email notifications of An AI agent work"}


@pytest.mark.parametrize("email", [{"recipients": []}, {"enabled": False}], ids=["nobody", "switched off"])
def test_sample_without_recipients_is_refused(server: Server, email: Row) -> None:
    team = Team.create(server, "ann")
    team.told_by(email=email)
    query = "mutation($id: ID!) { sendTestNotification(agentId: $id, channel: EMAIL) { id } }"
    refused = team.key.refusal(query, id=team.agent_id)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "channel")
    assert team.deliveries() == []


def test_delivered_mail_is_not_sent_again(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann")
    team.escalate()
    (delivered,) = team.ended()
    query = "mutation($id: ID!) { retryDelivery(id: $id) { id } }"
    assert team.key.refusal(query, id=delivered["id"]).code == "CONFLICT"
    team.sample("EMAIL")
    outside.mails(team.address("ann"), 2)


# ---- without a mail server


def test_mails_without_a_mail_server_wait_for_one(outside: Outside, server: Server) -> None:
    with outside.served(BATON_SMTP_URL=""):
        team = Team.create(server, "ann")
        assert team.notifications["email"]["connected"] is False
        team.escalate()
        waiting = team.tried()
        assert "BATON_SMTP_URL" in waiting["attempts"][0]["response"]
        assert waiting["status"] == "PENDING"
    assert team.notifications["email"]["connected"] is True
    team.retry(waiting)
    assert [item["status"] for item in team.ended()] == ["DELIVERED"]
    (mail,) = outside.mails(team.address("ann"), 1)
    # What is written in it is who sends it, and not who could not.
    assert named_address(str(mail.message["From"]))[1] == mail.sender


# ---- two AI agents


def test_address_in_any_case_is_one_recipient(outside: Outside, server: Server) -> None:
    team = Team.create(server, "ann")
    other = team.colleague(email={"recipients": [team.address("Ann")]})
    with team.unplanned():
        escalations = [team.escalate(), other.escalate()]
    assert [item["escalation"]["id"] for item in team.ended()] == escalations
    assert {delivery["status"] for delivery in team.deliveries()} == {"DELIVERED"}
    assert len(outside.mails_to(team.address("ann")) + outside.mails_to(team.address("Ann"))) == 2


# ---- one address in two forms of Unicode

# As an older version accepted them.
STORED = """UPDATE agents SET settings =
    jsonb_set(settings, '{notifications,email,recipients}', to_jsonb($2::text[])) WHERE id = $1"""


def test_address_stored_in_two_forms_of_unicode_gets_one_mail_and_one_sample(
    outside: Outside, server: Server
) -> None:
    team = Team.create(server, "ann")
    addresses = [team.address(name) for name in ("jose\u0301", "jos\u00e9")]
    server.execute(STORED, team.key_of_agent, addresses)
    team.escalate()
    team.sample("EMAIL")
    assert sorted((item["eventType"], item["status"]) for item in team.ended()) == [
        ("escalation.created", "DELIVERED"),
        ("test", "DELIVERED"),
    ]
