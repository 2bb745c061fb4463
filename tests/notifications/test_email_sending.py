"""Sending emails: to a real server on loopback, which behaves in every way that servers do."""

import asyncio
import base64
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from notifications.email.smtp import RESPONSE_LIMIT, Smtp, keep, send
from notifications.outcome import Outcome
from tests.support.mail_sink import HOST, Fault, MailSink, Stage
from tests.support.pubsub_backends import free_port
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

RAW = (
    b"From: Baton <baton@example.com>\r\nTo: team@example.com\r\nSubject: Hello\r\n\r\n"
    b".\r\n..two\r\n. a dot\r\nFrom the start\r\n\r\nend\r\n.\r\n"
)
FROM = "from=Baton%20%3Cbaton@example.com%3E"
TEAM = "team@example.com"
USER, PASSWORD = "mail+user@example.com", "s3cret:/?#@ pässword"
LOGIN = "mail%2Buser%40example.com:s3cret%3A%2F%3F%23%40%20p%C3%A4ssword"
KEPT = Outcome(succeeded=True, response="250 2.0.0 OK kept")
BEFORE_ACCEPTING: list[Stage] = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "MESSAGE"]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """The standard loop, and the one that the server runs on: their connections end differently."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as running:
        yield running


@pytest.fixture
def starttls() -> Iterator[MailSink]:
    with MailSink(tls="starttls", login=(USER, PASSWORD)) as running:
        yield running


@pytest.fixture
def tls() -> Iterator[MailSink]:
    with MailSink(tls="tls", login=(USER, PASSWORD)) as running:
        yield running


def smtp_of(sink: MailSink, *, login: str = "", options: str = "") -> Smtp:
    address = sink.url.replace("://", f"://{login}@" if login else "://")
    return Smtp.of(f"{address}?{FROM}{options}")


async def sent(sink: MailSink, *, login: str = "", options: str = "", seconds: float = 10) -> Outcome:
    smtp = smtp_of(sink, login=login, options=options)
    return await send(smtp, RAW, TEAM, seconds=seconds, context=sink.trusting)


def failed(response: str, *, final: bool = False) -> Outcome:
    return Outcome(succeeded=False, response=response, final=final)


async def test_mail_arrives_as_it_was_written(sink: MailSink) -> None:
    assert await sent(sink) == KEPT
    [mail] = sink.wait_for(1)
    assert mail.raw == RAW
    assert (mail.sender, list(mail.recipients)) == ("baton@example.com", [TEAM])
    assert (mail.encrypted, mail.login, mail.hello) == (False, None, "example.com")
    assert sink.commands[-1] == "QUIT"


async def test_password_is_sent_over_tls(starttls: MailSink, tls: MailSink) -> None:
    for sink, options in ((starttls, ""), (starttls, "&starttls=always"), (tls, "")):
        assert await sent(sink, login=LOGIN, options=options) == KEPT
        mail = sink.wait_for(1)[-1]
        assert (mail.encrypted, mail.login, mail.raw) == (True, USER, RAW)
        assert sink.logins[-1] == (USER, PASSWORD)


async def test_starttls_is_used_when_offered_unless_it_is_switched_off() -> None:
    with MailSink(tls="starttls") as sink:
        assert await sent(sink) == KEPT
        assert await sent(sink, options="&starttls=never") == KEPT
        assert [mail.encrypted for mail in sink.mails] == [True, False]


async def test_server_without_starttls_gets_no_password_and_no_mail_that_requires_it() -> None:
    with MailSink(login=(USER, PASSWORD)) as sink:
        missing = "the server offers no STARTTLS"
        assert await sent(sink, options="&starttls=always") == failed(missing)
        unsafe = f"{missing}, and the password is not sent in the clear"
        assert await sent(sink, login=LOGIN) == failed(unsafe)
        assert (sink.logins, sink.mails) == ([], [])
        assert await sent(sink, login=LOGIN, options="&starttls=never") == KEPT


async def test_wrong_password_is_refused_and_not_repeated(starttls: MailSink, tls: MailSink) -> None:
    for sink in (starttls, tls):
        outcome = await sent(sink, login="mail%2Buser%40example.com:wr0ng")
        assert outcome == failed("535 5.7.8 Authentication credentials invalid")
        assert sink.logins[-1] == (USER, "wr0ng")
        assert sink.mails == []


async def test_server_that_echoes_commands_reveals_no_password(tls: MailSink) -> None:
    secret = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    for said in (f"AUTH PLAIN {secret}", f"pass {PASSWORD}", base64.b64encode(PASSWORD.encode()).decode()):
        tls.faults = {"AUTH": f"500 unknown: {said} ?"}
        outcome = await sent(tls, login=LOGIN)
        assert outcome.response is not None
        assert outcome.response.startswith("500 unknown: ")
        assert outcome.response.endswith("… ?")
        assert PASSWORD not in outcome.response


@pytest.mark.parametrize("kind", ["starttls", "tls"])
async def test_untrusted_certificate_is_refused(kind: str) -> None:
    with MailSink(tls="tls" if kind == "tls" else "starttls") as sink:
        outcome = await send(smtp_of(sink), RAW, TEAM)
        assert outcome == failed("no connection: the certificate is not valid: self-signed certificate")
        assert sink.mails == []
    with MailSink(tls="tls" if kind == "tls" else "starttls", names=["elsewhere.test"]) as sink:
        refused = str((await sent(sink)).response)
        assert refused.startswith("no connection: the certificate is not valid: IP address mismatch")
        assert sink.mails == []


@pytest.mark.parametrize("stage", BEFORE_ACCEPTING)
async def test_hanging_server_is_abandoned_at_the_deadline(sink: MailSink, stage: Stage) -> None:
    sink.faults = {stage: Fault.HANG}
    assert await sent(sink, seconds=0.2) == failed("no answer within 0.2 s")
    assert sink.mails == []
    if stage != "BODY":  # there the sink does not listen
        await eventually(lambda: not sink.connections)


@pytest.mark.parametrize("stage", ["CONNECT", "STARTTLS", "AUTH", "MESSAGE"])
async def test_hanging_server_over_tls_is_abandoned_at_the_deadline(
    starttls: MailSink, tls: MailSink, stage: Stage
) -> None:
    for sink in (starttls, tls):
        if (stage, sink) == ("STARTTLS", tls):
            continue
        sink.faults = {stage: Fault.HANG}
        assert await sent(sink, login=LOGIN, seconds=0.2) == failed("no answer within 0.2 s")
        await eventually(lambda sink=sink: not sink.connections)  # type: ignore[misc]
        assert sink.mails == []


async def test_server_that_stops_reading_is_abandoned_at_the_deadline(sink: MailSink) -> None:
    sink.faults = {"BODY": Fault.HANG}
    outcome = await send(smtp_of(sink), RAW + b"x\r\n" * 2_000_000, TEAM, seconds=0.5)
    assert outcome == failed("no answer within 0.5 s")


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_port_without_a_listener_is_a_failure(scheme: str) -> None:
    with socket.create_server((HOST, 0)) as silent:
        smtp = Smtp.of(f"{scheme}://{HOST}:{silent.getsockname()[1]}?{FROM}")
        assert await send(smtp, RAW, TEAM, seconds=0.2) == failed("no answer within 0.2 s")


async def test_unreachable_servers_are_a_failure(sink: MailSink) -> None:
    nobody = Smtp.of(f"smtp://{HOST}:{free_port()}?{FROM}")
    assert await send(nobody, RAW, TEAM) == failed("no connection: Connection refused")
    unknown = await send(Smtp.of(f"smtp://no-such-host.invalid?{FROM}"), RAW, TEAM, seconds=5)
    assert not unknown.succeeded
    assert str(unknown.response).startswith(("no connection: ", "no answer within 5 s"))
    not_tls = Smtp.of(f"smtps://{HOST}:{sink.port}?{FROM}")
    assert await send(not_tls, RAW, TEAM) == failed("no connection: TLS could not be agreed on")


@pytest.mark.parametrize(
    ("stage", "answer", "final"),
    [
        ("CONNECT", "554 5.7.1 you are on a list", False),
        ("CONNECT", "421 4.3.2 too busy", False),
        ("EHLO", "421 4.3.2 shutting down", False),
        ("MAIL", "550 5.7.1 sender refused", True),
        ("MAIL", "452 4.3.1 later", False),
        # They end when the operator corrects BATON_SMTP_URL, as those of a login do.
        ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", False),
        ("MAIL", "530 5.7.0 Authentication required", False),
        ("RCPT", "530 5.7.1 Authentication required", False),
        ("MAIL", "535 5.7.8 credentials invalid", False),
        ("DATA", "538 5.7.11 Encryption required", False),
        ("RCPT", "550 5.1.1 no such user", True),
        ("RCPT", "451 4.7.1 greylisted, come back later", False),
        ("RCPT", "421 4.7.0 too many", False),
        ("DATA", "452 4.3.1 disk full", False),
        ("DATA", "554 5.5.1 no valid recipients", True),
        ("MESSAGE", "451 4.3.0 try later", False),
        ("MESSAGE", "554 5.7.1 looks like spam", True),
    ],
)
async def test_refusal_is_reported_in_the_words_of_the_server_and_final_for_5yz_about_the_mail(
    sink: MailSink, stage: Stage, answer: str, final: bool
) -> None:
    sink.faults = {stage: answer}
    outcome = await sent(sink)
    assert replace(outcome, advice=None) == failed(answer, final=final)
    assert ("correct from= in BATON_SMTP_URL" in (outcome.advice or "")) is (final and stage == "MAIL")
    assert sink.mails == []
    sink.faults = {}
    assert await sent(sink) == KEPT


@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET])
@pytest.mark.parametrize("stage", [*BEFORE_ACCEPTING])
async def test_broken_connection_is_a_failure(sink: MailSink, stage: Stage, fault: Fault) -> None:
    sink.faults = {stage: fault}
    outcome = await sent(sink)
    assert not outcome.succeeded
    how = "no connection" if stage == "CONNECT" else "the connection broke"
    assert str(outcome.response).startswith(how)
    assert sink.mails == []


@pytest.mark.parametrize("fault", [Fault.CLOSE, Fault.RESET])
@pytest.mark.parametrize("stage", ["CONNECT", "STARTTLS", "AUTH", "MESSAGE"])
async def test_broken_connection_over_tls_is_a_failure(
    starttls: MailSink, tls: MailSink, stage: Stage, fault: Fault
) -> None:
    for sink in (starttls, tls):
        if (stage, sink) == ("STARTTLS", tls):
            continue
        sink.faults = {stage: fault}
        outcome = await sent(sink, login=LOGIN)
        assert not outcome.succeeded
        assert str(outcome.response).startswith(("no connection", "the connection broke"))
        assert sink.mails == []


async def test_accepted_mail_stays_accepted_whatever_follows(
    sink: MailSink,
) -> None:
    sink.faults = {"MESSAGE": Fault.ACCEPT_AND_CLOSE}
    assert await sent(sink) == Outcome(succeeded=True, response="250 2.0.0 OK kept, goodbye")
    for fault in (Fault.CLOSE, Fault.RESET, Fault.HANG, "500 what?", "nonsense"):
        sink.faults = {"QUIT": fault}
        sending = send(smtp_of(sink), RAW, TEAM, farewell_seconds=0.1, context=sink.trusting)
        assert await asyncio.wait_for(sending, 5) == KEPT
    assert len(sink.mails) == 6


async def test_servers_that_break_the_protocol_are_a_failure(sink: MailSink) -> None:
    for nonsense in ("SSH-2.0-OpenSSH_9.2", "220 " + "x" * 50_000, "\xff\xfe"):
        sink.faults = {"CONNECT": nonsense}
        assert await sent(sink) == failed("the server does not speak SMTP")
    sink.faults = {"RCPT": "550-5.1.1 no\r\n550-5.1.1 such \x1b[31m\tuser\r\n550 " + "é" * 1_000}
    response = str((await sent(sink)).response)
    assert response.startswith("550 5.1.1 no 5.1.1 such [31m user ééé")
    assert response.isprintable()
    assert len(response) == RESPONSE_LIMIT
    assert sink.mails == []
    sink.faults = {"EHLO": "502 5.5.2 what is that?"}
    assert await sent(sink) == KEPT


async def test_cancelled_send_closes_its_connection(sink: MailSink) -> None:
    sink.faults = {"MESSAGE": Fault.HANG}
    task = asyncio.create_task(sent(sink))
    await eventually(lambda: "DATA" in sink.commands)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: not sink.connections)


async def test_international_domain_is_written_in_ascii(sink: MailSink) -> None:
    smtp = Smtp.of(f"{sink.url}?from=B%C3%A4ton%20%3Cbaton@b%C3%BCcher.example%3E")
    assert await send(smtp, RAW, "joerg+team@straße.example", seconds=10) == KEPT
    [mail] = sink.mails
    assert list(mail.recipients) == ["joerg+team@xn--strae-oqa.example"]
    assert (mail.sender, mail.hello) == ("baton@xn--bcher-kva.example", "xn--bcher-kva.example")


async def test_international_address_is_sent_as_utf8_to_a_server_that_accepts_it(sink: MailSink) -> None:
    assert await send(smtp_of(sink), RAW, "jo\u0308rg@straße.example") == KEPT
    [mail] = sink.mails
    assert list(mail.recipients) == ["jörg@xn--strae-oqa.example"]


async def test_international_address_fails_finally_without_smtputf8() -> None:
    with MailSink(smtputf8=False) as sink:
        refused = failed("the mail server does not accept internationalised addresses (SMTPUTF8)", final=True)
        assert await send(smtp_of(sink), RAW, "jörg@straße.example") == refused
        assert sink.mails == []
        assert await send(smtp_of(sink), RAW, "joerg@straße.example") == KEPT


@pytest.mark.parametrize(
    "recipient", ["a@b.example, c@d.example", "a@b.example\r\nRCPT TO:<c@d.example>", ""]
)
async def test_more_or_less_than_one_recipient_reaches_no_server(sink: MailSink, recipient: str) -> None:
    outcome = await send(smtp_of(sink), RAW, recipient)
    assert not outcome.succeeded
    assert outcome.final
    assert str(outcome.response).startswith("the recipient ")
    assert sink.commands == []


async def test_mails_without_a_mail_server_are_kept_as_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "mails"
    assert await keep(folder, RAW, "dlv_1") == Outcome(succeeded=True, response="kept as dlv_1.eml")
    assert await keep(folder, RAW + b"again\r\n", "dlv_1") == Outcome(True, "kept as dlv_1.eml")
    assert await keep(folder, RAW, "../../dlv 2") == Outcome(True, "kept as ------dlv-2.eml")
    result = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert result == {"dlv_1.eml": RAW + b"again\r\n", "------dlv-2.eml": RAW}
    (tmp_path / "file").write_bytes(b"")
    assert await keep(tmp_path / "file", RAW, "dlv_3") == failed("could not write a file: File exists")
    (folder / "dlv_4.eml").mkdir()
    assert await keep(folder, RAW, "dlv_4") == failed("could not write a file: Is a directory")
    assert len(list(folder.iterdir())) == 3
