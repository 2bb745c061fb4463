"""Misbehaving receivers cost little time, traffic and memory, and their answers are not read."""

import asyncio
import ipaddress
import os
import ssl
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifications.outcome import Outcome
from notifications.webhook.send import new_secret, send
from tests.support.baton_client import DEADLINE, wait_for
from tests.support.webhook_receivers import (
    Behaviour,
    Hostile,
    drip,
    gzip_bomb,
    hang,
    named_server,
    pour,
    reset,
    say,
    say_and_wait,
)

HEAD = b"HTTP/1.1 500 our secret\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
LONG = b"x" * 65_536
MEBIBYTE = 2**20
CLOSED, NO_HTTP = "the connection broke before the answer was complete", "the answer was not HTTP"


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the product runs on."""
    return "asyncio", {"use_uvloop": True}


async def post(url: str, seconds: float = 60) -> Outcome:
    """One attempt, which leaves no task. The 60 s are never waited for: a test that comes to them fails."""
    now, secrets, before = datetime.now(UTC), [new_secret()], asyncio.all_tasks()
    async with asyncio.timeout(40):
        outcome = await send(url, b"{}", "dlv_1", secrets, allow_private=True, at=now, seconds=seconds)
    assert "our secret" not in (outcome.response or "")
    assert asyncio.all_tasks() == before
    return outcome


@pytest.mark.anyio
@pytest.mark.parametrize(
    "behave",
    [
        hang,
        drip(b"HTTP/1.1 200 OK\r\nx: "),
        drip(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
        drip(b"\r\n"),
        say_and_wait(b"HTTP/1.1 100 Continue\r\n\r\n"),
        say_and_wait(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
    ],
    ids=["hangs", "drips", "drips a status", "drips lines", "says continue", "ends no head"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_slow_receiver_is_abandoned(behave: Behaviour, scheme: str) -> None:
    with Hostile(behave, scheme=scheme) as hostile:
        # A handshake that is answered by HTTP fails immediately, unless the answer is too short.
        expected = {Outcome(False, "no answer within 0.4 s")}
        if scheme == "https" and behave is not hang:
            expected.add(Outcome(False, "no connection: TLS could not be agreed on"))
        assert await post(hostile.url, seconds=0.4) in expected
        assert await asyncio.to_thread(hostile.hung_up.wait, DEADLINE)
        assert hostile.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    "behave",
    [
        drip(b"x", begin=b"HTTP/1.1 200 OK\r\n\r\n"),
        say_and_wait(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
        say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
        say(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!"),
        pour(b"HTTP/1.1 200 OK\r\n\r\n", LONG),
        say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk"),
        say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more"),
    ],
    ids=["drips", "stops", "breaks off", "is no gzip", "never ends", "has no chunks", "goes on"],
)
async def test_status_counts_however_its_answer_ends(behave: Behaviour) -> None:
    with Hostile(behave) as hostile:
        assert await post(hostile.url, seconds=1.0) == Outcome(True, "200")
        assert hostile.connections == 1


@pytest.mark.anyio
@pytest.mark.parametrize("head", [b"", b"content-length: 2\r\n"], ids=["without a length", "with a length"])
async def test_status_204_counts_although_a_text_follows(head: bytes) -> None:
    with Hostile(say(b"HTTP/1.1 204 No Content\r\n" + head + b"\r\nok")) as hostile:
        assert await post(hostile.url) == Outcome(True, "204")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("behave", "response"),
    [
        (reset, CLOSED),
        (say(), CLOSED),
        (say(b"HTTP/1.1 200 OK\r\n"), CLOSED),
        (say(b"SSH-2.0-our secret\r\n"), NO_HTTP),
        (say(b"220 our secret ESMTP\r\n"), NO_HTTP),
        (say(b"\x00\x00\x12\x04our secret"), NO_HTTP),
        (say(b"<html>our secret"), NO_HTTP),
        (say(b"HTTP/1.1 200 OK\r\nour secret\r\n\r\n"), NO_HTTP),
        (say(b"HTTP/1.1 our secret\r\n\r\n"), NO_HTTP),
        (say(b"HTTP/1.1 200 OK\r\ncontent-length: our secret\r\n\r\n"), NO_HTTP),
        (say(b"HTTP/1.1 -200 OK\r\n\r\n"), NO_HTTP),
    ],
    ids=[
        "reset",
        "closed",
        "half a head",
        "ssh",
        "smtp",
        "http2",
        "http0",
        "header",
        "status",
        "length",
        "negative",
    ],
)
async def test_receiver_that_speaks_no_http_is_distinguished(behave: Behaviour, response: str) -> None:
    with Hostile(behave) as hostile:
        assert await post(hostile.url) == Outcome(False, response)
        assert hostile.connections == 1


@pytest.mark.anyio
async def test_address_without_a_listener_is_a_failure() -> None:
    with Hostile(hang) as hostile:
        url = hostile.url
    assert await post(url) == Outcome(False, "no connection: Connection refused")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("behave", "response"),
    [
        (pour(HEAD + b"\r\n", LONG), "500"),
        (pour(HEAD + b"content-length: 99999999999\r\n\r\n", LONG), "500"),
        (pour(CHUNKED, b"10000\r\n" + LONG + b"\r\n"), "500"),
        (pour(CHUNKED, b"1\r\nx\r\n" * 10_000), "500"),
        (pour(CHUNKED + b"5;x=", LONG), "500"),
        (pour(CHUNKED + b"0\r\n", b"a: b\r\n" * 10_000), None),
        (pour(HEAD + b"x: ", LONG), None),
        (pour(HEAD, b"x: our secret\r\n" * 5_000), None),
        (pour(b"HTTP/1.1 500 ", LONG), None),
        (pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 3_000), None),
        (pour(b"", b"\r\n" * 30_000), None),
        (gzip_bomb(), "200"),
    ],
    ids=[
        "body", "length", "chunks", "small chunks", "chunk", "trailers", "header", "headers", "status",
        "continue", "lines", "gzip",
    ],
)  # fmt: skip
async def test_endless_answers_are_cut_off(behave: Behaviour, response: str | None) -> None:
    with Hostile(behave) as hostile:
        tracemalloc.start()
        outcome = await post(hostile.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert await asyncio.to_thread(hostile.hung_up.wait, DEADLINE)
    assert outcome.response in ({response} if response else {CLOSED, NO_HTTP, "500"})
    # 64 KiB and the parser's own data. The unpacked bomb is 16 MiB.
    assert peak < 4 * MEBIBYTE


@pytest.mark.anyio
async def test_other_deliveries_go_on_meanwhile() -> None:
    with Hostile(hang) as hanging, Hostile(say(b"HTTP/1.1 204 No Content\r\n\r\n")) as quick:
        before = asyncio.all_tasks()
        slow = asyncio.create_task(send_slowly(hanging.url))
        await asyncio.to_thread(wait_for, lambda: hanging.connections, "the slow one to begin")
        assert await post(quick.url) == Outcome(True, "204")
        assert not slow.done()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert asyncio.all_tasks() == before
        assert await asyncio.to_thread(hanging.hung_up.wait, DEADLINE)


async def send_slowly(url: str) -> Outcome:
    now, secrets = datetime.now(UTC), [new_secret()]
    return await send(url, b"{}", "dlv_1", secrets, allow_private=True, at=now)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key for localhost, of no authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begin = datetime.now(UTC) - timedelta(days=1)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    )
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=2))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "localhost.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.anyio
async def test_certificate_of_no_authority_is_refused(certificate: Path) -> None:
    with named_server(tls(certificate)) as (port, names):
        outcome = await post(f"https://localhost:{port}/")
        assert outcome == Outcome(
            False, "no connection: the certificate is not valid: self-signed certificate"
        )
        assert set(names) == {"localhost"}


CALL = """
import asyncio, sys
from datetime import UTC, datetime
from notifications.webhook.send import new_secret, send
for url in sys.argv[1:]:
    now, secrets = datetime.now(UTC), [new_secret()]
    print(asyncio.run(send(url, b"{}", "dlv_1", secrets, allow_private=True, at=now)).response)
"""


def test_certificate_is_valid_for_its_own_name_only(certificate: Path) -> None:
    """In a process of its own: the authorities are read at its start."""
    with named_server(tls(certificate)) as (port, names):
        urls = [f"https://localhost:{port}/", f"https://127.0.0.1:{port}/"]
        environment = os.environ | {"SSL_CERT_FILE": str(certificate)}
        done = subprocess.run(
            [sys.executable, "-c", CALL, *urls], env=environment, capture_output=True, text=True, check=True
        )
        trusted, wrong = done.stdout.splitlines()
        assert trusted == "204"
        assert wrong.startswith("no connection: the certificate is not valid: IP address mismatch")
        assert names == ["localhost", None]
