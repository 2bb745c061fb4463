"""Password hashes: what is compared, and how much is computed for it."""

import asyncio
import os
import sys
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.low_level import hash_secret

from resolvers.errors import UnavailableError
from resolvers.passwords import CONCURRENT_HASHES, NICENESS, WAITING_HASHES, Passwords, salt_of
from tests.support.baton_client import DEADLINE


class CountedHashes:
    """Argon2, which counts its computations."""

    def __init__(self) -> None:
        self.computed = 0

    def __call__(self, *args: Any) -> bytes:
        self.computed += 1
        return hash_secret(*args)


@pytest.fixture
def counted() -> CountedHashes:
    return CountedHashes()


@pytest.fixture
def passwords(counted: CountedHashes) -> Passwords:
    return Passwords(counted)


@pytest.mark.anyio
async def test_match_among_namesakes_computes_one_hash(passwords: Passwords, counted: CountedHashes) -> None:
    first = await passwords.hash("the first password")
    others = [await passwords.hash(f"password {number}", salt_of(first)) for number in range(3)]
    counted.computed = 0
    match = await passwords.match("password 2", [first, None, *others])
    assert (match.stored, match.salts, counted.computed) == (others[2], 1, 1)


@pytest.mark.anyio
@pytest.mark.parametrize("stored", [[], [None], [None, None]])
async def test_match_without_a_stored_hash_computes_one_hash(
    passwords: Passwords, counted: CountedHashes, stored: list[None]
) -> None:
    assert (await passwords.match("some password", stored)).stored is None
    assert counted.computed == 1


@pytest.mark.anyio
async def test_match_tries_each_salt_even_after_a_match(passwords: Passwords, counted: CountedHashes) -> None:
    first, second = await passwords.hash("the password"), await passwords.hash("another password")
    counted.computed = 0
    match = await passwords.match("the password", [first, second])
    assert (match.stored, match.salts, counted.computed) == (first, 2, 2)


@pytest.mark.anyio
async def test_match_reads_a_hash_of_other_costs(passwords: Passwords) -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("the password")
    assert (await passwords.match("the password", [cheap])).stored == cheap
    assert (await passwords.match("not the password", [cheap])).stored is None


@pytest.mark.anyio
async def test_new_hash_costs_what_rfc_9106_recommends() -> None:
    assert (await Passwords().hash("the password")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


INSIDE = WAITING_HASHES + CONCURRENT_HASHES


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no priorities of threads")
async def test_hashes_are_computed_at_a_lower_priority_than_the_event_loop() -> None:
    def priority(*_: Any) -> bytes:
        return str(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).encode()

    computed = await Passwords(priority).hash("a password")
    assert int(computed) == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)


class HeldHashes:
    """Argon2 in place of which threads wait until they are released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, *args: Any) -> bytes:
        assert self.released.wait(DEADLINE)
        return b"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"


@pytest.mark.anyio
async def test_hashes_beyond_the_queue_are_refused_before_they_are_computed() -> None:
    held = HeldHashes()
    passwords = Passwords(held)
    waiting = [asyncio.create_task(passwords.hash("a password", client=str(n))) for n in range(INSIDE)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError) as refused:
        await passwords.match("a password", [], client="another")
    assert refused.value.retry_after == 1
    held.released.set()
    assert len(await asyncio.gather(*waiting)) == INSIDE
    assert (await passwords.match("a password", [], client="another")).stored is None


@pytest.mark.anyio
async def test_single_client_has_four_places_in_the_queue() -> None:
    held = HeldHashes()
    passwords = Passwords(held)
    waiting = [asyncio.create_task(passwords.hash("a password", client="here")) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError):
        await passwords.hash("a password", client="here")
    waiting.append(asyncio.create_task(passwords.hash("a password", client="there")))
    held.released.set()
    assert len(await asyncio.gather(*waiting)) == 5
