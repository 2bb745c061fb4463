"""Password hashes, computed by Argon2 off the event loop."""

import asyncio
import base64
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass

from argon2 import Parameters, extract_parameters
from argon2.low_level import hash_secret
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import select

from models.database import Database
from models.member import Member
from models.words import folded
from resolvers.errors import BadInputError
from rules.text import text_error

SHORTEST, LONGEST = 8, 200
CONCURRENT_HASHES = 2  # each takes 64 MiB and a core
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class PasswordMatch:
    """The first stored hash that a password matches, if any, and how many salts had to be tried."""

    stored: str | None
    salts: int


class Passwords:
    """Computes and checks Argon2id hashes, at most two concurrently.

    A stored hash is `$argon2id$v=19$m=…,t=…,p=…$salt$hash`. Members with the same email on several teams
    share the salt, so one computation checks a password against all of them.
    """

    def __init__(self, compute: Callable[..., bytes] = hash_secret) -> None:
        self._compute = compute
        self._slots = asyncio.Semaphore(CONCURRENT_HASHES)

    async def hash(self, password: str, salt: bytes | None = None) -> str:
        """Return the hash to store, with a new salt unless one is given."""
        return await self._hash(password, salt or secrets.token_bytes(SALT_BYTES), RFC_9106_LOW_MEMORY)

    async def match(self, password: str, stored: Collection[str | None]) -> PasswordMatch:
        """Compare the password with all `stored` hashes.

        One hash is computed for each different salt, and one if nothing is stored: the time does not show
        whether an account exists.
        """
        hashes = [hashed for hashed in stored if hashed]
        if not hashes:
            await self.hash(password)
        matched = None
        by_salt = {hashed.rpartition("$")[0]: hashed for hashed in hashes}
        for example in by_salt.values():
            computed = await self._hash(password, salt_of(example), extract_parameters(example))
            equal = [hashed for hashed in hashes if hmac.compare_digest(computed, hashed)]
            matched = matched or next(iter(equal), None)
        return PasswordMatch(matched, len(by_salt))

    async def _hash(self, password: str, salt: bytes, how: Parameters) -> str:
        # Keyboards differ in how they compose an accent (RFC 8265).
        secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
        costs = how.time_cost, how.memory_cost, how.parallelism
        async with self._slots:
            computed = await asyncio.to_thread(
                self._compute, secret, salt, *costs, how.hash_len, how.type, how.version
            )
        return computed.decode()


def salt_of(stored: str) -> bytes:
    """Return the salt of a stored hash."""
    salt = stored.split("$")[-2]
    return base64.b64decode(salt + "=" * (-len(salt) % 4))


async def hash_password(database: Database, passwords: Passwords, email: str, password: str) -> str:
    """Return the hash of a member's password, with the salt that members of the same email already use."""
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
    return await passwords.hash(password, salt_of(stored) if stored else None)


def check_password(field: str, password: str) -> str:
    """Return a password that may be set; raises BadInputError for `field`."""
    if fault := text_error(password, limit=LONGEST):
        raise BadInputError(field, fault)
    if len(password) < SHORTEST:
        raise BadInputError(field, f"is shorter than {SHORTEST} characters")
    return password
