"""Webhooks go to vetted addresses and nowhere else, however an address is written or resolved."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifications.outcome import Outcome
from notifications.webhook.send import new_secret, send
from notifications.webhook.url_policy import (
    NotAllowedError,
    UnresolvableHostError,
    parse_url,
    resolve_and_check,
)
from tests.support.hostile_urls import HOSTILE, NOT_PUBLIC, OPEN, PRIVATE
from tests.support.requirements import need
from tests.support.webhook_receivers import Receiver, Trap, has_ipv6

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


def is_address(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def stand_in(monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str] | Exception) -> list[str]:
    """Every name resolves to these answers, one after the other and then to the last; gives the asked."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        # No look-up for IP addresses: uvloop parses them with it when it connects.
        answer: Sequence[str] | Exception = [host]
        if not is_address(host):
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(host)
        if isinstance(answer, Exception):
            raise answer
        result = []
        for address in answer:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            place = (address, port, 0, 0) if ":" in address else (address, port)
            result.append((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place))
        return result

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the product runs on."""
    return "asyncio", {"use_uvloop": True}


async def call(url: str, allow_private: bool = False) -> Outcome:
    """One attempt at an address."""
    now = datetime.now(UTC)
    return await send(url, b"{}", "dlv_1", [new_secret()], allow_private=allow_private, at=now, seconds=5)


@pytest.fixture
def trap() -> Iterator[Trap]:
    need("IPv6 on loopback", has_ipv6())
    with Trap() as trap:
        yield trap


@pytest.mark.anyio
@pytest.mark.parametrize("allow_private", [False, True])
async def test_ambiguous_address_reaches_nothing(
    monkeypatch: pytest.MonkeyPatch, trap: Trap, allow_private: bool
) -> None:
    asked = stand_in(monkeypatch, ["127.0.0.1", "::1"])
    for url in HOSTILE:
        url = url.replace("{p}", str(trap.port))
        outcome = await call(url, allow_private)
        assert (outcome.response or "").startswith("refused: the URL "), (url, outcome)
        with pytest.raises(NotAllowedError):
            await resolve_and_check(url, allow_private)
    assert (asked, trap.caught) == ([], [])


@pytest.mark.anyio
async def test_private_names_and_literals_reach_nothing(monkeypatch: pytest.MonkeyPatch, trap: Trap) -> None:
    asked = stand_in(monkeypatch, ["127.0.0.1", "::1"])
    for host in PRIVATE:
        for scheme in ("http", "https"):
            outcome = await call(f"{scheme}://{host.replace('{p}', str(trap.port))}/x")
            assert (outcome.response or "").startswith("refused: the URL "), (host, outcome)
    assert (asked, trap.caught) == ([], [])
    assert len(HOSTILE) + len(PRIVATE) > 150


@pytest.mark.anyio
async def test_listener_catches_an_allowed_request(trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    trap_url = f"http://127.0.0.1:{trap.port}/"
    stand_in(monkeypatch, ["::1"])
    now, secrets = datetime.now(UTC), [new_secret()]
    for url in (trap_url, f"http://localhost:{trap.port}/"):
        await send(url, b"{}", "dlv_1", secrets, allow_private=True, at=now, seconds=0.1)
    assert [address[0] for address in trap.caught] == ["127.0.0.1", "::1"]


@pytest.mark.anyio
@pytest.mark.parametrize("first", [[], [PUBLIC], [PUBLIC_6, PUBLIC]], ids=["alone", "second", "third"])
async def test_single_private_answer_refuses_all(monkeypatch: pytest.MonkeyPatch, first: list[str]) -> None:
    for address in NOT_PUBLIC:
        asked = stand_in(monkeypatch, [*first, address])
        with pytest.raises(NotAllowedError, match="leads to ") as refused:
            await resolve_and_check("https://hooks.example.com/x", False)
        assert asked == ["hooks.example.com"]
        # The address of an internal name must not be disclosed.
        assert address not in str(refused.value)


@pytest.mark.anyio
async def test_public_answers_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in OPEN:
        stand_in(monkeypatch, [address])
        vetted = await resolve_and_check("https://hooks.example.com/x", False)
        assert [str(result) for result in vetted.addresses] == [address]


@settings(max_examples=500, deadline=None)
@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_addresses_private_in_the_standard_library_are_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        asyncio.run(resolve_and_check(f"http://{host}/", False))
    except NotAllowedError:
        return
    assert address.is_global
    assert not address.is_multicast


@pytest.mark.anyio
@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "::ffff:0.0.0.0", "::224.0.0.1",
     "64:ff9b::255.255.255.255", "2002:e000:1::", "::ffff:0:0.0.0.0"],
)  # fmt: skip
async def test_unusable_address_is_refused_inside_a_network_too(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(NotAllowedError, match="leads to "):
        await resolve_and_check(f"http://{host}/", True)
    stand_in(monkeypatch, [PUBLIC, address])
    with pytest.raises(NotAllowedError, match="leads to "):
        await resolve_and_check("http://hooks.example.com/", True)


@pytest.mark.anyio
async def test_inside_a_network_its_own_addresses_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("127.0.0.1", "::1", "10.1.2.3", "fd00::1", "169.254.1.1", "::ffff:10.0.0.1"):
        host = f"[{address}]" if ":" in address else address
        assert len((await resolve_and_check(f"http://{host}/", True)).addresses) == 1
        stand_in(monkeypatch, [address])
        assert len((await resolve_and_check("http://db/", True)).addresses) == 1


@pytest.mark.anyio
async def test_name_that_changes_its_answer_is_resolved_once(
    monkeypatch: pytest.MonkeyPatch, trap: Trap
) -> None:
    asked = stand_in(monkeypatch, [PUBLIC, PUBLIC_6], ["127.0.0.1", "::1"])
    dialled = []

    async def sock_connect(_: socket.socket, address: Any) -> None:
        dialled.append(address[:2])
        raise ConnectionRefusedError(111, "refused by the test")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", sock_connect)
    outcome = await call(f"http://hooks.example.com:{trap.port}/x")
    assert outcome == Outcome(False, "no connection: Connection refused")
    assert asked == ["hooks.example.com"]
    assert set(dialled) == {(PUBLIC, trap.port), (PUBLIC_6, trap.port)}
    # By now the name leads here: the next attempt is refused before any connection.
    again = await call(f"http://hooks.example.com:{trap.port}/x")
    assert (again.response or "").startswith("refused: the URL leads to this very machine")
    assert (len(asked), len(dialled), trap.caught) == (2, 2, [])


@pytest.mark.anyio
async def test_each_vetted_answer_is_tried_and_the_name_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver:
        asked = stand_in(monkeypatch, ["127.0.0.2", "127.0.0.1"])
        outcome = await call(f"http://HOOKS.example.com:{receiver.port}/a%2fb/../c?d=[e]&f=%41", True)
        assert outcome == Outcome(True, "204")
        assert asked == ["hooks.example.com"]
        [received] = receiver.received
        assert received.headers["host"] == f"hooks.example.com:{receiver.port}"
        assert received.path == "/a%2fb/../c?d=[e]&f=%41"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer", [socket.gaierror(-2, "Name or service not known"), [], OSError(5, "broken")], ids=str
)
async def test_unknown_name_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, answer: Sequence[str] | Exception
) -> None:
    stand_in(monkeypatch, answer)
    with pytest.raises(UnresolvableHostError):
        await resolve_and_check("https://hooks.example.com/", False)
    assert await call("https://hooks.example.com/") == Outcome(
        False, "the URL has a name that does not resolve"
    )


@pytest.mark.anyio
async def test_slow_name_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    with pytest.raises(UnresolvableHostError, match=r"not resolved within 0\.05 s"):
        await resolve_and_check("https://hooks.example.com/", False, seconds=0.05)


READABLE: list[tuple[str, str]] = [
    ("https://hooks.example.com", "https://hooks.example.com/"),
    ("HTTPS://Hooks.Example.COM/Path", "https://hooks.example.com/Path"),
    ("http://hooks.example.com:80/", "http://hooks.example.com/"),
    ("https://hooks.example.com:80/", "https://hooks.example.com:80/"),
    ("https://hooks.example.com?a=b", "https://hooks.example.com/?a=b"),
    (
        "https://hooks.example.com/a@b:c//d/%2e%2E?e[]=/?f",
        "https://hooks.example.com/a@b:c//d/%2e%2E?e[]=/?f",
    ),
    ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
    ("https://Bücher.Example/x", "https://xn--bcher-kva.example/x"),
    ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
    ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
    ("https://a_b.example.com/", "https://a_b.example.com/"),
    ("http://93.184.215.14:8080/", "http://93.184.215.14:8080/"),
    ("http://[2606:2800:21F:0:0:0:0:1]:65535/", "http://[2606:2800:21f::1]:65535/"),
    ("https://1password.example.com/", "https://1password.example.com/"),
    (f"https://{'a' * 63}.example.com/", f"https://{'a' * 63}.example.com/"),
    ("https://h.example.com/" + "a" * 1_978, "https://h.example.com/" + "a" * 1_978),
]


@pytest.mark.parametrize(("url", "read"), READABLE)
def test_ordinary_addresses_are_read(url: str, read: str) -> None:
    assert parse_url(url, False).url == read


HOSTS = st.text() | st.from_regex(r"\A[a-z0-9.\[\]:%@-]{1,12}\Z") | st.ip_addresses().map(str)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(["http://", "https://", ""]), HOSTS, st.text())
def test_any_text_is_read_or_refused(scheme: str, host: str, rest: str) -> None:
    try:
        read = parse_url(scheme + host + rest, True)
    except NotAllowedError:
        return
    assert read.url.isascii()
    assert read.url.isprintable()
    # What was read is read again as the same: its one spelling.
    assert parse_url(read.url, True) == read


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "does not begin with https:// or http://"),
        ("https://me:secret@example.com/", "has a user name or a password in it"),
        ("https://example.com/#top", "has a fragment"),
        ("https://example.com:0/", "has a port that is not between 1 and 65535"),
        ("https://127.1/", "has a host that is neither a name nor a usual IP address"),
        ("https://example.com/a b", "has characters in its path that must be written as %-escapes"),
        ("https://printer.local/", "has a name of a private network; BATON_WEBHOOK_ALLOW_PRIVATE"),
        ("https://exa_mple..com/", "has no valid host"),
        (f"https://{'a' * 64}.example.com/", "has no valid host"),
        (f"https://{'a.' * 130}example.com/", "has no valid host"),
        ("https://١٢٧.example/", "has a host that is no valid international name"),
        ("https://example.com/" + "a" * 2_000, "is longer than 2,000 characters"),
    ],
)
def test_refusals_say_why(url: str, words: str) -> None:
    with pytest.raises(NotAllowedError) as refused:
        parse_url(url, False)
    assert str(refused.value).startswith(words)
