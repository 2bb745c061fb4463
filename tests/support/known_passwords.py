"""Passwords that are hashed only once."""

from argon2.profiles import CHEAPEST

from resolvers.passwords import Passwords


class KnownPasswords(Passwords):
    """Hashes each password once for each salt, cheaply: every workspace's admin has the same."""

    def __init__(self) -> None:
        super().__init__(costs=CHEAPEST)
        self._known: dict[tuple[str, bytes | None], str] = {}

    async def hash(self, password: str, salt: bytes | None = None, *, client: str = "") -> str:
        if (password, salt) not in self._known:
            self._known[password, salt] = await super().hash(password, salt, client=client)
        return self._known[password, salt]
