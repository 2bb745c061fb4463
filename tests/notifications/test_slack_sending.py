"""Talking to Slack: tokens are proven, messages sent once, and whatever goes wrong comes back in words."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from notifications.outcome import Outcome
from notifications.slack.api import SLACK_API_URL, SlackFault, Team, send, verify_token
from tests.support.baton_client import wait_for
from tests.support.slack_server import SlackStandIn

pytestmark = pytest.mark.anyio

TOKEN = "xoxb-1234-5678-abcdefgh"
MESSAGE = {
    "channel": "C0123",
    "text": "New escalation: “déjà vu”",
    "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here> &lt;!channel&gt;"}}],
    "link_names": False,
    "unfurl_links": False,
}
BODY = orjson.dumps(MESSAGE)


@pytest.fixture(scope="module")
def stand_in() -> Iterator[SlackStandIn]:
    with SlackStandIn.started() as slack:
        yield slack


@pytest.fixture
def slack(stand_in: SlackStandIn) -> SlackStandIn:
    stand_in.forget()
    return stand_in


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


# --------------------------------------------------------------------------------------------------- sending


async def test_message_arrives_as_it_was_composed(slack: SlackStandIn) -> None:
    assert await send(TOKEN, BODY, slack.url) == Outcome(True, "ok")

    (call,) = slack.calls
    assert (call.verb, call.method, call.query) == ("POST", "chat.postMessage", "")
    assert call.body == MESSAGE
    assert call.headers["content-type"] == "application/json;charset=utf-8"
    assert call.headers["user-agent"].startswith("Baton")


async def test_token_is_in_one_header_only(slack: SlackStandIn) -> None:
    await send(TOKEN, BODY, slack.url)
    await verify_token(TOKEN, slack.url)

    for call in slack.calls:
        headers = dict(call.headers)
        assert headers.pop("authorization") == f"Bearer {TOKEN}"
        assert TOKEN not in f"{call.query}{call.raw!r}{headers}"


async def test_address_without_trailing_slash_is_equivalent(slack: SlackStandIn) -> None:
    assert await send(TOKEN, BODY, slack.url.rstrip("/")) == Outcome(True, "ok")
    assert SLACK_API_URL == "https://slack.com/api/"


@pytest.mark.parametrize(
    "name", ["invalid_auth", "channel_not_found", "not_in_channel", "is_archived", "invalid_blocks"]
)
async def test_error_of_slack_is_named(slack: SlackStandIn, name: str) -> None:
    slack.will(name)

    outcome = await send(TOKEN, BODY, slack.url)
    assert replace(outcome, advice=None) == Outcome(False, name, final=True)
    assert bool(outcome.advice) is (name != "invalid_blocks")
    assert len(slack.calls) == 1


@pytest.mark.parametrize("name", ["internal_error", "fatal_error", "an_error_of_tomorrow"])
async def test_server_faults_and_unknown_errors_of_slack_are_not_final(
    slack: SlackStandIn, name: str
) -> None:
    slack.will(name)

    assert await send(TOKEN, BODY, slack.url) == Outcome(False, name)


async def test_slack_stand_in_knows_bots_and_channels(slack: SlackStandIn) -> None:
    slack.bots, slack.channels, slack.outside = {TOKEN}, {"C0123"}, {"C0OUT"}

    def to(channel: str) -> bytes:
        return orjson.dumps({**MESSAGE, "channel": channel})

    assert (await send(TOKEN, BODY, slack.url)).succeeded
    assert (await send("xoxb-other", BODY, slack.url)).response == "invalid_auth"
    assert (await send(TOKEN, to("C0NONE"), slack.url)).response == "channel_not_found"
    assert (await send(TOKEN, to("C0OUT"), slack.url)).response == "not_in_channel"


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", timedelta(seconds=30)),
        (" 1 ", timedelta(seconds=1)),
        ("86400", timedelta(days=1)),
        ("999999999", timedelta(days=1)),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("1" * 5_000, None),
        (None, None),
    ],
)
async def test_slack_may_ask_to_wait(slack: SlackStandIn, header: str | None, wait: timedelta | None) -> None:
    slack.retry_after = header
    slack.will("ratelimited", "status")

    assert await send(TOKEN, BODY, slack.url) == Outcome(False, "ratelimited", retry_after=wait)
    assert await send(TOKEN, BODY, slack.url) == Outcome(False, "HTTP 503", retry_after=wait)
    # One request each: who waits is the schedule, not the client.
    assert len(slack.calls) == 2


@pytest.mark.parametrize(
    ("way", "response"),
    [
        ("broken", "HTTP 500"),
        ("text", "HTTP 200, but no answer as Slack gives it"),
        ("list", "HTTP 200, but no answer as Slack gives it"),
        ("xoxb-1234-5678-abcdefgh", "HTTP 200, but no answer as Slack gives it"),
        ("An <b>error</b>\r\n", "HTTP 200, but no answer as Slack gives it"),
        ("long", "the connection broke before the answer was complete"),
        ("reset", "the connection broke before the answer was complete"),
        ("hang", "no answer within 0.3 s"),
        ("drip", "no answer within 0.3 s"),
    ],
)
async def test_failure_of_any_kind_is_reported_in_words(slack: SlackStandIn, way: str, response: str) -> None:
    slack.will(way)
    seconds = 0.3 if way in ("hang", "drip") else 15.0

    assert await send(TOKEN, BODY, slack.url, seconds=seconds) == Outcome(False, response)
    assert len(slack.calls) == 1
    assert (await send(TOKEN, BODY, slack.url)).succeeded


@pytest.mark.parametrize(
    ("url", "response"),
    [
        ("http://127.0.0.1:{free}/api/", "no connection: Connection refused"),
        ("https://127.0.0.1:{slack}/api/", "no connection: TLS could not be agreed on"),
        (
            "http://user:password@127.0.0.1:{slack}/api/",
            "BATON_SLACK_API_URL is no address that can be asked",
        ),
        ("http://[::/api/", "BATON_SLACK_API_URL is no address that can be asked"),
        ("ftp://127.0.0.1/api/", "BATON_SLACK_API_URL is no address that can be asked"),
        ("", "BATON_SLACK_API_URL is no address that can be asked"),
    ],
)
async def test_address_without_a_listener_is_reported_in_words(
    slack: SlackStandIn, url: str, response: str
) -> None:
    port = slack.url.split(":")[2].partition("/")[0]
    where = url.format(free=free_port(), slack=port)

    assert await send(TOKEN, BODY, where) == Outcome(False, response)
    fault = await verify_token(TOKEN, where)
    assert fault == SlackFault(f"Slack could not be asked: {response}", refused=False)
    assert slack.calls == []


async def test_unknown_host_name_is_reported_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", not_found)
    outcome = await send(TOKEN, BODY, "http://slack.invalid/api/")

    assert outcome == Outcome(False, "no connection: the name of the server was not found")


async def test_server_that_does_not_speak_http_is_reported_in_words() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(TOKEN, BODY, f"http://127.0.0.1:{port}/api/")

    assert outcome == Outcome(False, "the answer was not HTTP")


async def test_redirect_is_not_followed(slack: SlackStandIn) -> None:
    with SlackStandIn.started() as trap:
        slack.redirect_to = f"{trap.url}chat.postMessage"
        slack.will("redirect", "redirect")

        outcome = await send(TOKEN, BODY, slack.url)
        fault = await verify_token(TOKEN, slack.url)

        assert outcome == Outcome(False, "HTTP 307; redirects are not followed")
        assert isinstance(fault, SlackFault)
        assert trap.calls == []


async def test_proxies_of_the_environment_are_ignored(
    slack: SlackStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SlackStandIn.started() as trap:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        assert (await send(TOKEN, BODY, slack.url)).succeeded
        assert isinstance(await verify_token(TOKEN, slack.url), Team)

        assert trap.calls == []
        assert len(slack.calls) == 2


async def test_logs_hold_neither_tokens_nor_messages(
    slack: SlackStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.will("ok", "invalid_auth", "broken", "text", "reset")
    for _ in range(5):
        await send(TOKEN, BODY, slack.url)
    await verify_token(TOKEN, slack.url)

    logged = f"{caplog.text}{[record.__dict__ for record in caplog.records]}"
    assert len(slack.calls) == 6
    assert "xoxb" not in logged
    assert "channel&gt;" not in logged


async def test_cancelled_send_ends(slack: SlackStandIn) -> None:
    slack.will("hang")
    sending = asyncio.create_task(send(TOKEN, BODY, slack.url))
    await asyncio.to_thread(wait_for, lambda: slack.calls, "the request")

    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


@pytest.mark.parametrize("token", ["", "xoxp-1-a", "xoxb-1\r\nX-Injected: yes", "xoxb-1 ", "xoxb-\udc80"])
async def test_malformed_token_is_not_sent(slack: SlackStandIn, token: str) -> None:
    outcome = await send(token, BODY, slack.url)
    fault = await verify_token(token, slack.url)

    assert not outcome.succeeded
    assert outcome.response
    assert outcome.response.startswith("the bot's token ")
    assert isinstance(fault, SlackFault)
    assert fault.refused
    assert slack.calls == []


# --------------------------------------------------------------------------------------------------- proving


async def test_valid_token_is_proven(slack: SlackStandIn) -> None:
    assert await verify_token(TOKEN, slack.url) == Team("T0ACME", "Acme", "U0BATON", "baton")

    (call,) = slack.calls
    assert (call.method, call.token, call.query, call.raw) == ("auth.test", TOKEN, "", b"")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("invalid_auth", "Slack does not know this token"),
        ("account_inactive", "the app was removed"),
        ("token_revoked", "this token was revoked"),
        ("token_expired", "switch token rotation off"),
        ("ekm_access_denied", "Slack refuses this token: ekm_access_denied"),
    ],
)
async def test_token_refused_by_slack_is_refused(slack: SlackStandIn, name: str, words: str) -> None:
    slack.will(name)
    fault = await verify_token(TOKEN, slack.url)

    assert isinstance(fault, SlackFault)
    assert fault.refused
    assert words in fault.words
    assert len(slack.calls) == 1


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("ratelimited", "ratelimited"),
        ("internal_error", "internal_error"),
        ("broken", "HTTP 500"),
        ("text", "HTTP 200, but no answer as Slack gives it"),
        ("reset", "the connection broke before the answer was complete"),
        ("hang", "no answer within 0.3 s"),
    ],
)
async def test_server_fault_of_slack_does_not_reveal_the_token(
    slack: SlackStandIn, way: str, words: str
) -> None:
    slack.will(way)
    fault = await verify_token(TOKEN, slack.url, seconds=0.3 if way == "hang" else 15.0)

    assert fault == SlackFault(f"Slack could not be asked: {words}", refused=False)


async def test_bot_without_write_permission_is_refused(slack: SlackStandIn) -> None:
    slack.scopes = "chat:write.public,channels:read"
    fault = await verify_token(TOKEN, slack.url)
    assert isinstance(fault, SlackFault)
    assert fault.refused
    assert "chat:write" in fault.words

    slack.scopes = "channels:read, chat:write"
    assert isinstance(await verify_token(TOKEN, slack.url), Team)
    slack.scopes = None
    assert isinstance(await verify_token(TOKEN, slack.url), Team)
