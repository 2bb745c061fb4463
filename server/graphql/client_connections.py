"""Open WebSockets and event streams of this process: their credentials, and how they are closed."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog

from resolvers.actor import Actor, ActorKind
from resolvers.context import Services
from resolvers.credentials import actors_of
from server.graphql.protocol import CloseReason

RECHECK_SECONDS = 4.0
# Of one customer's conversation, whatever widget tokens it has: a token can be renewed.
CUSTOMERS_CONNECTIONS = 5
CLOSE_SECONDS = 5.0  # for all connections together, when the process stops

CREDENTIAL_UNKNOWN = CloseReason(4403, "Forbidden: the credential is unknown or was revoked")
CREDENTIAL_EXPIRED = CloseReason(4403, "Forbidden: the credential has expired")
CREDENTIAL_REVOKED = CloseReason(4403, "Forbidden: the credential was revoked")
CREDENTIAL_CHANGED = CloseReason(4403, "Forbidden: the rights of the credential have changed")
SESSION_ENDED = CloseReason(4403, "Forbidden: the session has ended")
RESTART = CloseReason(1012, "Service restart")
# No client reads these two: it has gone, or does not read.
CLIENT_GONE = CloseReason(1006, "The client has gone")
CLIENT_STALLED = CloseReason(1006, "The client does not read")

# Widget tokens are not stored, so they only expire. A session may also be signed out, or its member removed.
_END_OF_CREDENTIAL = {
    ActorKind.CUSTOMER: CREDENTIAL_EXPIRED,
    ActorKind.TEAM_MEMBER: SESSION_ENDED,
    ActorKind.API_KEY: CREDENTIAL_REVOKED,
}

_logger = structlog.get_logger(__name__)

# Checking the signature of a widget token takes 7 µs, and nothing else runs meanwhile.
CHECKED_TOGETHER = 500

CurrentActors = Callable[[Collection[str]], Awaitable[Mapping[str, Actor]]]


@dataclass(eq=False, slots=True)
class ClientConnection:
    """One open WebSocket or event stream, and its credential once that is known.

    `on_close` is called with the reason of the first close.
    """

    on_close: Callable[[CloseReason], None]
    token: str | None = None
    actor: Actor | None = None

    def close(self, reason: CloseReason) -> None:
        """Request a close; the first reason wins."""
        on_close, self.on_close = self.on_close, _do_nothing
        on_close(reason)


class ClientConnections:
    """Every client connection of this process. `run` closes those whose credential has ended."""

    def __init__(self, current: CurrentActors, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self._current = current
        self._recheck_seconds = recheck_seconds
        self._open: set[ClientConnection] = set()
        self._of_conversation: Counter[UUID] = Counter()
        self._removed = asyncio.Event()
        self._closing = False

    @classmethod
    def of(cls, services: Services) -> "ClientConnections":
        """Return the registry whose credentials are checked in the services' database."""

        async def current(tokens: Collection[str]) -> Mapping[str, Actor]:
            return await actors_of(services.database, services.widget_tokens, tokens)

        return cls(current)

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self, on_close: Callable[[CloseReason], None], token: str | None = None, actor: Actor | None = None
    ) -> ClientConnection:
        """Register a connection. While the process stops it is closed immediately."""
        client = ClientConnection(on_close)
        if token is not None and actor is not None:
            self.identify(client, token, actor)
        if self._closing:
            client.close(RESTART)
        self._open.add(client)
        return client

    def has_room(self, actor: Actor | None) -> bool:
        """Return whether the caller may open one more connection. A customer's conversation may have five."""
        conversation = actor.conversation_id if actor else None
        return conversation is None or self._of_conversation[conversation] < CUSTOMERS_CONNECTIONS

    def identify(self, client: ClientConnection, token: str, actor: Actor) -> None:
        """Set the credential of a connection."""
        client.token, client.actor = token, actor
        if actor.conversation_id is not None:
            self._of_conversation[actor.conversation_id] += 1

    def remove(self, client: ClientConnection) -> None:
        """Remove a connection that holds nothing any more."""
        conversation = client.actor.conversation_id if client.actor else None
        if client in self._open and conversation is not None:
            self._of_conversation[conversation] -= 1
            if not self._of_conversation[conversation]:
                del self._of_conversation[conversation]
        self._open.discard(client)
        self._removed.set()

    @contextmanager
    def added(
        self, on_close: Callable[[CloseReason], None], token: str | None = None, actor: Actor | None = None
    ) -> Iterator[ClientConnection]:
        """Register a connection for the duration of the block."""
        client = self.add(on_close, token, actor)
        try:
            yield client
        finally:
            self.remove(client)

    async def run(self) -> None:
        """Check all credentials every 4 s, so that their end closes connections within 5 s. Never returns."""
        while True:
            await asyncio.sleep(self._recheck_seconds)
            try:
                await self._close_ended()
            except Exception as error:
                _logger.warning("connections.recheck_failed", error=repr(error))

    async def _close_ended(self) -> None:
        """Close connections whose credential has expired, was revoked, or has other rights than before."""
        held = [client for client in self._open if client.token is not None]
        for first in range(0, len(held), CHECKED_TOGETHER):
            await self._close_ended_of(held[first : first + CHECKED_TOGETHER])

    async def _close_ended_of(self, held: Sequence[ClientConnection]) -> None:
        actors = await self._current({client.token for client in held if client.token is not None})
        for client in held:
            if client.token is not None and client.actor is not None:
                current = actors.get(client.token)
                if current is None or current.expired:
                    client.close(_END_OF_CREDENTIAL[client.actor.kind])
                elif current != client.actor:
                    client.close(CREDENTIAL_CHANGED)

    async def close_all(self) -> None:
        """Close every connection with 1012, refuse new ones, and wait up to 5 s until all are removed."""
        self._closing = True
        for client in list(self._open):
            client.close(RESTART)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._open:
                    self._removed.clear()
                    await self._removed.wait()
        except TimeoutError:
            _logger.warning("connections.close_timeout", connections=len(self._open))


def _do_nothing(_: CloseReason) -> None:
    pass
