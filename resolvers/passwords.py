"""Passwords, by Argon2, off the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from resolvers.errors import BadInputError
from rules.text import text_error

SHORTEST, LONGEST = 8, 200
_AT_ONCE = 2


class Passwords:
    """Hashes and checks passwords; at most two at once, as each takes 64 MiB and a core."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        async with self._places:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; without a hash it takes as long, so that the time tells nothing."""
        if hashed is None:
            self._decoy = self._decoy or await self.hash("no password at all")
        async with self._places:
            good = await asyncio.to_thread(self._verify, hashed or self._decoy or "", password)
        return good and hashed is not None

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False


def check_password(field: str, password: str) -> str:
    """A password that may be set."""
    if fault := text_error(password, limit=LONGEST):
        raise BadInputError(field, fault)
    if len(password) < SHORTEST:
        raise BadInputError(field, f"is shorter than {SHORTEST} characters")
    return password
