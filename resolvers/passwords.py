"""Password hashes, computed by Argon2 off the event loop."""

import asyncio
import base64
import hmac
import os
import secrets
import sys
import threading
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from argon2 import Parameters, extract_parameters
from argon2.low_level import hash_secret
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import select

from models.database import Database
from models.member import Member
from models.words import folded
from realtime.keyed_semaphore import KeyedSemaphore
from resolvers.errors import BadInputError, UnavailableError
from rules.common_passwords import is_common_password
from rules.text import text_error

SHORTEST, LONGEST = 8, 200
# What a new hash costs. Those that are stored say what they cost.
COSTS = RFC_9106_LOW_MEMORY
# Each takes 64 MiB and has four threads. One core remains for the event loop.
CONCURRENT_HASHES = min(max((os.cpu_count() or 1) - 1, 1), 2)
# The event loop gets a core first. A tenth of the usual share remains for hashes when the machine is busy.
NICENESS = 10
WAITING_HASHES = 20
WAITING_OF_CLIENT = 4
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class PasswordMatch:
    """The first stored hash that a password matches, if any, and how many salts had to be tried."""

    stored: str | None
    salts: int


class Passwords:
    """Computes and checks Argon2id hashes, one or two concurrently, in threads of low priority.

    A stored hash is `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Members with the same email on several teams
    share the salt, so one computation checks a password against all of them.

    A client is a network address, or an empty text for the operator. One client's hashes are computed one
    after the other. At most 20 wait, and four of one client. Then UnavailableError is raised before anything
    is computed. New hashes have `costs`.
    """

    def __init__(self, compute: Callable[..., bytes] = hash_secret, costs: Parameters | None = None) -> None:
        self._compute = compute
        self._costs = costs or COSTS
        # Not the event loop's threads: a computation whose caller has left still occupies its thread.
        self._threads = ThreadPoolExecutor(
            CONCURRENT_HASHES, thread_name_prefix="argon2", initializer=_yield_to_others
        )
        self._inside: Counter[str] = Counter()
        self._hashes_of_client = KeyedSemaphore(1)

    async def hash(self, password: str, salt: bytes | None = None, *, client: str = "") -> str:
        """Return the hash to store, with a new salt unless one is given."""
        async with self._place(client):
            return await self._hash(password, salt or secrets.token_bytes(SALT_BYTES), self._costs)

    async def match(
        self, password: str, stored: Collection[str | None], *, client: str = ""
    ) -> PasswordMatch:
        """Compare the password with all `stored` hashes.

        One hash is computed for each different salt, and one if nothing is stored: the time does not show
        whether an account exists.
        """
        hashes = [hashed for hashed in stored if hashed]
        by_salt = {hashed.rpartition("$")[0]: hashed for hashed in hashes}
        matched = None
        async with self._place(client):
            if not hashes:
                await self._hash(password, secrets.token_bytes(SALT_BYTES), self._costs)
            for example in by_salt.values():
                computed = await self._hash(password, salt_of(example), extract_parameters(example))
                equal = [hashed for hashed in hashes if hmac.compare_digest(computed, hashed)]
                matched = matched or next(iter(equal), None)
        return PasswordMatch(matched, len(by_salt))

    @asynccontextmanager
    async def _place(self, client: str) -> AsyncIterator[None]:
        """Wait in the queue for the client's turn; raises UnavailableError if the queue is full."""
        limit = WAITING_OF_CLIENT if client else WAITING_HASHES
        if self._inside.total() >= WAITING_HASHES + CONCURRENT_HASHES or self._inside[client] >= limit:
            raise UnavailableError("Too many passwords are being checked. Try again in a second.", 1)
        self._inside[client] += 1
        try:
            # One address leaves the second thread to others.
            async with self._hashes_of_client.of(client) if client else nullcontext():
                yield
        finally:
            self._inside[client] -= 1
            if not self._inside[client]:
                del self._inside[client]

    async def _hash(self, password: str, salt: bytes, how: Parameters) -> str:
        # Keyboards differ in how they compose an accent (RFC 8265).
        secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        costs = how.time_cost, how.memory_cost, how.parallelism
        computed = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._compute, secret, salt, *costs, how.hash_len, how.type, how.version
        )
        return computed.decode()


def _yield_to_others() -> None:
    """Lower the priority of the current thread, where threads have one; those that it starts inherit it."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(nice + NICENESS, 19))


def salt_of(stored: str) -> bytes:
    """Return the salt of a stored hash."""
    salt = stored.split("$")[-2]
    return base64.b64decode(salt + "=" * (-len(salt) % 4))


async def hash_password(
    database: Database, passwords: Passwords, email: str, password: str, *, client: str = ""
) -> str:
    """Return the hash of a member's password, with the salt that members of the same email already use.

    `client` is the network address of the caller, for the queue of hashes.
    """
    oldest = (
        select(Member.password_hash)
        .where(
            folded(Member.email) == folded(email),
            Member.removed_at.is_(None),
            Member.password_hash.is_not(None),
        )
        .order_by(Member.created_at, Member.id)
        .limit(1)
    )
    async with database.autocommit_session() as session:
        stored = await session.scalar(oldest)
    return await passwords.hash(password, salt_of(stored) if stored else None, client=client)


def check_password(field: str, password: str) -> str:
    """Return a password that may be set; raises BadInputError for `field`."""
    if fault := text_error(password, limit=LONGEST):
        raise BadInputError(field, fault)
    if len(password) < SHORTEST:
        raise BadInputError(field, f"is shorter than {SHORTEST} characters")
    if is_common_password(password):
        raise BadInputError(field, "is a password that many people use; choose another one")
    return password


def check_presented(field: str, password: str) -> None:
    """Refuse a password that is longer than any that can be set, before anything is hashed."""
    if len(password) > LONGEST:
        raise BadInputError(field, f"has more than {LONGEST} characters, which no password has")
