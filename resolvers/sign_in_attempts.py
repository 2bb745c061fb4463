"""Counting of failed attempts to sign in, and the locks that they cause.

An attempt is counted before its password is hashed, so that concurrent attempts cannot pass a lock together.
Each attempt is counted twice: for its email and network address, and for the member. One address locks
only itself: the member's own lock needs failures from several addresses. A browser with a device cookie of
the member is counted for itself only, and passes both locks.

A lock begins with one minute and doubles with each further failure, up to eight hours.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import text

from models.database import Database
from models.member import Member
from resolvers.errors import RateLimitedError
from rules.network_address import network_of
from rules.text import normalize

# Failures without a lock: of an address or device, and of a member from all addresses.
FREE_OF_SOURCE = 10
FREE_OF_MEMBER = 50

_COUNT = text(
    """
    INSERT INTO sign_in_attempts AS counted (key_hash, failures, last_at)
    VALUES (:key_hash, 1, clock_timestamp())
    ON CONFLICT (key_hash) DO UPDATE SET
        failures = CASE WHEN counted.last_at < clock_timestamp() - interval '24 hours' THEN 1
            ELSE counted.failures + 1 END,
        last_at = clock_timestamp(),
        locked_until = CASE WHEN counted.last_at >= clock_timestamp() - interval '24 hours'
                AND counted.failures + 1 >= :free
            THEN clock_timestamp() + least(interval '8 hours',
                interval '1 minute' * power(2, least(counted.failures + 1 - :free, 10))) END
    WHERE counted.locked_until IS NULL OR counted.locked_until <= clock_timestamp()
    RETURNING failures
    """
)
_WAIT = text(
    "SELECT extract(epoch FROM locked_until - clock_timestamp()) FROM sign_in_attempts "
    "WHERE key_hash = :key_hash"
)
# All take the locks in the same order: in the order of the plan, two of them could wait for each other.
_TAKE_BACK = text(
    """
    WITH locked AS (
        SELECT key_hash FROM sign_in_attempts WHERE key_hash = ANY(:key_hashes) ORDER BY key_hash FOR UPDATE)
    UPDATE sign_in_attempts AS counted SET failures = failures - 1, locked_until = NULL
    FROM locked WHERE counted.key_hash = locked.key_hash AND failures > 0
    """
)


@dataclass(frozen=True, slots=True)
class _Counter:
    """A count of failures, and the number of them that cause no lock."""

    kind: str
    key: str
    free: int = FREE_OF_SOURCE

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(f"{self.kind}\0{self.key}".encode("utf-8", "surrogatepass")).digest()


@dataclass
class SignInAttempt:
    """One attempt to sign in with an email, from a network address.

    `candidates` are the members whose password may be compared; for others `wait` seconds are left.
    `suspicious`: if it fails, a lock begins for the first time.
    """

    database: Database
    email: str
    address: str
    candidates: list[Member] = field(default_factory=list)
    wait: int = 0
    suspicious: bool = False
    _source: _Counter | None = None
    _counters: dict[UUID | None, _Counter] = field(default_factory=dict)

    async def count(self, members: Sequence[Member], devices: Mapping[UUID, str]) -> None:
        """Count the attempt for all members with the email; for the email itself if there is none.

        `devices` are the ids of the caller's device cookie, by member. Raises RateLimitedError if there is
        no member left whose password may be tried.
        """
        for member in members:
            if member.id in devices:
                await self._admit(member, _Counter("device", devices[member.id]))
        strangers = [member for member in members if member.id not in devices]
        admitted = False
        if strangers or not members:
            admitted = await self._count_stranger(strangers)
        if not self.candidates and not admitted:
            raise too_many_attempts(self.wait)

    async def take_back(self, members: Sequence[Member]) -> None:
        """Count the attempt no more for its address and for `members`, such as the one who signed in."""
        counters = [self._counters.get(member.id) for member in members] or [self._counters.get(None)]
        hashes = [counter.key_hash for counter in (self._source, *counters) if counter]
        async with self.database.autocommit_session() as session:
            await session.execute(_TAKE_BACK, {"key_hashes": hashes})

    async def _count_stranger(self, members: Sequence[Member]) -> bool:
        """Count the attempt of a browser without a device cookie; return whether a hash is computed."""
        source = _Counter("source", f"{normalize(self.email)}\0{network_of(self.address)}")
        if not await self._add(source):
            return False
        self._source = source
        if members:
            for member in members:
                await self._admit(member, _Counter("member", str(member.id), FREE_OF_MEMBER))
            return bool(self.candidates)
        unknown = self._counters[None] = _Counter("email", normalize(self.email), FREE_OF_MEMBER)
        return await self._add(unknown)

    async def _admit(self, member: Member, counter: _Counter) -> None:
        if await self._add(counter):
            self.candidates.append(member)
            self._counters[member.id] = counter

    async def _add(self, counter: _Counter) -> bool:
        """Count the attempt; return False and note the wait if a lock is in force."""
        async with self.database.autocommit_session() as session:
            failures = await session.scalar(_COUNT, {"key_hash": counter.key_hash, "free": counter.free})
            if failures is None:
                seconds = await session.scalar(_WAIT, {"key_hash": counter.key_hash})
                self.wait = max(self.wait, math.ceil(seconds or 0), 1)
                return False
        self.suspicious = self.suspicious or failures == counter.free
        return True


def too_many_attempts(seconds: int) -> RateLimitedError:
    """Return the error for an attempt that must wait, the same for every email."""
    return RateLimitedError(f"Too many attempts to sign in. Try again in {seconds} s.", seconds)
