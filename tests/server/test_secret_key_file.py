"""The secret key: made once however many processes start, and refused when anyone could guess it."""

import base64
import hashlib
import hmac
import multiprocessing
import secrets
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from resolvers.credentials import WidgetTokens
from server.embedded.postgres import embedded_postgres
from server.secret_key import FILE_NAME, SecretKeyError, check_secret_key, kept_secret_key, split_secret_keys
from tests.support.baton_client import DEADLINE, Caller, Server

ROUNDS, PROCESSES = 200, 4


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="baton-key-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def read_key_each_round(folder: Path, barrier: Any, results: Any) -> None:
    keys = []
    for number in range(ROUNDS):
        barrier.wait(60)
        keys.append(kept_secret_key(folder / str(number)))
    results.put(keys)


def test_concurrent_first_starts_agree_on_one_key(folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=read_key_each_round, args=(folder, barrier, results)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    keys_by_process = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(DEADLINE)
    for number, keys in enumerate(zip(*keys_by_process, strict=True)):
        (key,) = set(keys)
        assert check_secret_key(key) == (folder / str(number) / FILE_NAME).read_text()
    assert len({keys[0] for keys in zip(*keys_by_process, strict=True)}) == ROUNDS


def test_concurrent_real_first_starts_accept_each_others_tokens(folder: Path) -> None:
    servers = [Server(folder, "", "") for _ in range(3)]
    for number, server in enumerate(servers):
        server.log = folder / f"serve-{number}.log"
    try:
        with ThreadPoolExecutor(len(servers)) as pool:
            list(pool.map(Server.start, servers))
        with embedded_postgres(folder) as urls:
            servers[0].service_url = urls.service_url
            token = servers[0].new_workspace().start()["widgetToken"]
        for server in servers:
            assert Caller(server.url, token).ask("{ viewer { kind } }") == {"viewer": {"kind": "CUSTOMER"}}
    finally:
        for server in servers:
            server.stop()


def test_kept_key_is_private_and_stays(folder: Path) -> None:
    key = kept_secret_key(folder / "new" / "folder")
    path = folder / "new" / "folder" / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_secret_key(path.parent) == key


def test_unfinished_file_of_a_killed_start_is_no_key(folder: Path) -> None:
    (folder / f"{FILE_NAME}.new").write_text("half a ke")
    key = kept_secret_key(folder)
    assert check_secret_key(key) == (folder / FILE_NAME).read_text()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"short", secrets.token_urlsafe(32).encode()[:31], b"\0" * 43, b"\xff" * 43, b"x" * 43],
    ids=["empty", "blank", "short", "cut", "zeros", "binary", "repeated"],
)
def test_damaged_file_stops_the_start_in_words(folder: Path, content: bytes) -> None:
    path = folder / FILE_NAME
    path.write_bytes(content)
    with pytest.raises(SecretKeyError, match="damaged") as caught:
        kept_secret_key(folder)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "value",
    [
        "",
        "short",
        "9f3c1e77a0b2d4568e1f9a3c5b7d20",
        "the-same-long-secret-everywhere",
        "the-same-long-secret-everywhere-2",
        "ChangeMe-" * 5,
        "please change me before you use this!",
        "<the output of: openssl rand -hex 32>",
        "x" * 64,
        "ab" * 32,
        "0123456789abcdef" * 4,
        "abcdefghijklmnopqrstuvwxyzabcdefghij",
        "0123456789abcdefghijklmnopqrstuvwxyz",
        "9876543210zyxwvutsrqponmlkjihgfedcba",
        "correct horse battery \n staple 0123456",
    ],
)
def test_guessable_value_is_refused_without_being_repeated(value: str) -> None:
    with pytest.raises(ValueError, match="openssl rand -hex 32") as caught:
        check_secret_key(value)
    assert not value or value not in str(caught.value)


def test_generated_values_are_accepted() -> None:
    for _ in range(2_000):
        for value in (secrets.token_hex(32), secrets.token_hex(16), secrets.token_urlsafe(32)):
            assert check_secret_key(value) == value


def test_token_that_ends_too_late_is_refused() -> None:
    tokens = WidgetTokens(secrets.token_hex(32))
    conversation, now = uuid4(), datetime.now(UTC)
    assert tokens.read(tokens.issue(conversation, now)[0])
    for ahead in (timedelta(minutes=6), timedelta(days=1), timedelta(days=36_500)):
        assert tokens.read(tokens.issue(conversation, now + ahead)[0]) is None


def test_several_keys_are_separated_by_commas_or_lines() -> None:
    first, second = secrets.token_hex(32), secrets.token_urlsafe(32)
    for value in (f"{first},{second}", f"{first}\n{second}\n", f" {first} ,\n {second}"):
        assert check_secret_key(value) == value
        assert split_secret_keys(value) == [first, second]


def test_weak_key_among_several_is_refused() -> None:
    strong = secrets.token_hex(32)
    for weak in ("short", "x" * 64, "the-same-long-secret-everywhere-2"):
        with pytest.raises(ValueError, match="key 2 of 2"):
            check_secret_key(f"{strong},{weak}")
    with pytest.raises(ValueError, match="twice"):
        check_secret_key(f"{strong},{strong}")


def test_token_of_an_older_key_is_read_and_one_of_a_removed_key_is_not() -> None:
    older, newer = secrets.token_hex(32), secrets.token_hex(32)
    conversation, now = uuid4(), datetime.now(UTC)
    token = WidgetTokens(older).issue(conversation, now, 7)[0]
    claims = WidgetTokens(newer, older).read(token)
    assert claims is not None
    assert (claims.conversation_id, claims.family) == (conversation, 7)
    assert WidgetTokens(newer).read(token) is None
    assert WidgetTokens(older).read(WidgetTokens(newer, older).issue(conversation, now)[0]) is None


def test_widget_token_of_the_first_form_is_read() -> None:
    older, newer = secrets.token_hex(32), secrets.token_hex(32)
    conversation, ends = uuid4(), int(datetime.now(UTC).timestamp()) + 60
    body = conversation.bytes + ends.to_bytes(8, "big")
    signature = hmac.digest(hashlib.sha256(b"baton widget token\0" + older.encode()).digest(), body, "sha256")
    token = "baton_wt_" + base64.urlsafe_b64encode(body + signature).decode().rstrip("=")
    claims = WidgetTokens(newer, older).read(token)
    assert claims is not None
    assert (claims.conversation_id, claims.family) == (conversation, 0)
    assert WidgetTokens(newer).read(token) is None
