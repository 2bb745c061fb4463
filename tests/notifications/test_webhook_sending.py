"""The request to a webhook's receiver, and the outcome of its answer."""

import base64
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from notifications.outcome import Outcome
from notifications.webhook.send import new_secret, send
from tests.support.webhook_receivers import Answer, Received, Receiver, Trap, has_ipv6

pytestmark = pytest.mark.anyio

BODY = '{"type":"escalation.created","data":{"reason":"„Größe“ 😀\\r\\n"}}'.encode()
DAY = timedelta(days=1)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


async def post(receiver: Receiver, *secrets: str, **options: Any) -> Outcome:
    """One attempt at a receiver."""
    given: dict[str, Any] = {"at": datetime.now(UTC), "allow_private": True, "seconds": 10, **options}
    body, id_ = given.pop("body", BODY), given.pop("id", "dlv_1")
    return await send(given.pop("url", receiver.url), body, id_, secrets or [new_secret()], **given)


async def test_receiver_can_verify_the_signature() -> None:
    secret = new_secret()
    with Receiver() as receiver:
        assert await post(receiver, secret, id="dlv_01h") == Outcome(True, "204")
        [received] = receiver.received
    assert received.body == BODY
    assert received.verified(secret) == received.event
    assert received.id == "dlv_01h"
    assert {
        name: received.headers[name] for name in ("content-type", "user-agent", "host", "accept-encoding")
    } == {
        "content-type": "application/json",
        "user-agent": "Baton",
        "host": f"127.0.0.1:{receiver.port}",
        "accept-encoding": "identity",
    }
    assert not {"cookie", "authorization", "transfer-encoding"} & set(received.headers)
    for wrong in (
        Received(received.path, received.headers, BODY + b" "),
        changed(received, "webhook-id", "dlv_2"),
    ):
        with pytest.raises(WebhookVerificationError):
            wrong.verified(secret)
    with pytest.raises(WebhookVerificationError):
        received.verified(new_secret())


def changed(received: Received, name: str, value: str) -> Received:
    return Received(received.path, {**received.headers, name: value}, received.body)


async def test_attempt_time_is_written_in_utc_from_any_zone() -> None:
    secret, now = new_secret(), datetime.now(timezone(timedelta(hours=9)))
    with Receiver() as receiver:
        await post(receiver, secret, at=now)
        [received] = receiver.received
    assert received.headers["webhook-timestamp"] == str(int(now.timestamp()))
    received.verified(secret)


async def test_both_secrets_sign_during_a_rotation() -> None:
    old, new, foreign = new_secret(), new_secret(), new_secret()
    with Receiver() as receiver:
        await post(receiver, new, old)
        await post(receiver, new)
        during, after = receiver.received
    assert re.fullmatch(r"v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=", during.headers["webhook-signature"])
    for secret in (new, old):
        during.verified(secret)
    after.verified(new)
    for received, secret in ((during, foreign), (after, old)):
        with pytest.raises(WebhookVerificationError):
            received.verified(secret)


async def test_secrets_are_random_and_32_bytes() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        prefix, key = secret[:6], secret[6:]
        assert (prefix, len(base64.b64decode(key, validate=True))) == ("whsec_", 32)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
async def test_status_2xx_is_success(status: int) -> None:
    with Receiver(Answer(status, {"retry-after": "9"})) as receiver:
        assert await post(receiver) == Outcome(True, str(status))


@pytest.mark.parametrize("status", [300, 304, 400, 401, 404, 408, 418, 429, 500, 502, 503, 599])
async def test_other_status_is_a_failure_and_can_ask_to_wait(status: int) -> None:
    with Receiver(Answer(status), Answer(status, {"retry-after": "90"}, b"our secret")) as receiver:
        plain, waiting = await post(receiver), await post(receiver)
    words = f"{status}; redirects are not followed" if status < 400 else str(status)
    assert plain == Outcome(False, words)
    assert waiting == Outcome(False, words, retry_after=timedelta(seconds=90))


async def test_status_413_is_final_because_the_body_is_fixed() -> None:
    with Receiver(Answer(413)) as receiver:
        advice = "The endpoint finds the body too large: let it accept bodies of 16 MiB."
        assert await post(receiver) == Outcome(False, "413", final=True, advice=advice)


async def test_status_410_is_gone() -> None:
    with Receiver(Answer(410)) as receiver:
        assert await post(receiver) == Outcome(False, "410", final=True, gone=True)


NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("0", None),
        ("1", timedelta(seconds=1)),
        (" 120 ", timedelta(seconds=120)),
        ("86400", DAY),
        ("86401", DAY),
        ("9" * 5_000, DAY),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Mon, 02 Mar 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Monday, 02-Mar-26 12:10:00 GMT", timedelta(minutes=10)),
        ("Mon Mar  2 12:10:00 2026", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 13:10:00 +0100", timedelta(minutes=10)),
        ("Tue, 02 Mar 2027 12:10:00 GMT", DAY),
        ("Mon, 02 Mar 2026 11:59:59 GMT", None),
        ("Mon, 02 Mar 9999 12:10:00 -9999", None),
        ("Mon, 99 Mar 2026 12:10:00 GMT", None),
        ("Mon, 02 Mar 99999999999 12:10:00 GMT", None),
        (",", None),
    ],
)
async def test_retry_after_is_read_as_seconds_or_date(asked: str, wait: timedelta | None) -> None:
    header = asked.encode().decode("latin-1")
    with Receiver(Answer(503, {"retry-after": header})) as receiver:
        assert await post(receiver, at=NOW) == Outcome(False, "503", retry_after=wait)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    with Trap() if has_ipv6() else Receiver() as other:
        where = f"http://127.0.0.1:{other.port}/"
        with Receiver(Answer(status, {"location": where, "refresh": f"0; url={where}"})) as receiver:
            outcome = await post(receiver)
        assert outcome == Outcome(False, f"{status}; redirects are not followed")
        assert len(receiver.received) == 1
        assert (other.caught if isinstance(other, Trap) else other.received) == []


async def test_request_uses_no_proxy_netrc_or_cookie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Receiver() as proxy, Receiver(Answer(200, {"set-cookie": "a=b; Path=/"})) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        await post(receiver)
        await post(receiver)
        assert [len(receiver.received), len(proxy.received)] == [2, 0]
        for received in receiver.received:
            assert not {"cookie", "authorization"} & set(received.headers)


async def test_long_transcript_arrives_whole() -> None:
    body = b'{"transcript":"' + b"x" * 3_000_000 + b'"}'
    secret = new_secret()
    with Receiver() as receiver:
        assert await post(receiver, secret, body=body, id="dlv_long") == Outcome(True, "204")
        [received] = receiver.received
    assert received.headers["content-length"] == str(len(body))
    assert received.body == body
    received.verified(secret)


@pytest.mark.parametrize(
    "given",
    [
        {"id": "dlv_1\r\nx-evil: 1"},
        {"id": "dlv_1\n"},
        {"id": "dlv.1"},
        {"id": ""},
        {"id": "dlv_\u00e9"},
        {"secrets": []},
        {"secrets": [""]},
        {"secrets": ["whsec_"]},
        {"secrets": [SECRET, "whsec_"]},
        {"secrets": [SECRET + "\r\nx-evil: 1"]},
        {"secrets": [SECRET + "\n"]},
        {"secrets": ["whsec_\r\nx-evil: 1"]},
        {"secrets": ["x whsec_c2VjcmV0"]},
        {"secrets": ["c2VjcmV0"]},
        {"secrets": ["whsec_é"]},
    ],
    ids=repr,
)
async def test_no_header_can_be_smuggled_in_by_id_or_secret(given: dict[str, Any]) -> None:
    with Receiver() as receiver:
        secrets, id_ = given.get("secrets", [new_secret()]), given.get("id", "dlv_1")
        with pytest.raises(
            ValueError, match=r"^a (message's id has only|webhook's secret is|webhook needs) "
        ):
            await send(receiver.url, BODY, id_, secrets, allow_private=True, at=NOW)
        assert receiver.received == []


async def test_no_header_can_be_smuggled_in_by_the_path() -> None:
    with Receiver() as receiver:
        outcome = await post(receiver, url=f"{receiver.url}?a=%0d%0ax-evil:%201%0D%0A%0D%0A")
        assert outcome.succeeded
        [received] = receiver.received
    assert received.path == "/hook?a=%0d%0ax-evil:%201%0D%0A%0D%0A"
    assert "x-evil" not in received.headers
