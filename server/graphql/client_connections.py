"""What is open to clients, sockets and event streams: their credentials, and how they are ended."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from resolvers.actor import Actor
from resolvers.context import Services
from resolvers.current import current_actors
from server.graphql.protocol import CloseReason

RECHECK_SECONDS = 4.0
# Time for sockets that still drain to say goodbye.
CLOSE_SECONDS = 5.0

FORBIDDEN = CloseReason(4403, "Forbidden")
RESTART = CloseReason(1012, "Service restart")
# These two are told to nobody: there is nobody, or they would not hear.
CLIENT_GONE = CloseReason(1006, "The client has left")
CLIENT_STALLED = CloseReason(1006, "The client does not take what it is sent")

_logger = structlog.get_logger(__name__)

WhoIsStillGood = Callable[[Collection[str]], Awaitable[Mapping[str, Actor]]]


@dataclass(eq=False, slots=True)
class ClientConnection:
    """One open socket or event stream, and the credential that it came with, once that is known."""

    reason: asyncio.Future[CloseReason] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    token: str | None = None
    actor: Actor | None = None

    def end(self, reason: CloseReason) -> None:
        """Has it ended soon, and its client told why; the first reason counts."""
        if not self.reason.done():
            self.reason.set_result(reason)


class ClientConnections:
    """Every visit of this process. `run` ends those whose credential is no longer good."""

    def __init__(self, still_good: WhoIsStillGood, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self._still_good = still_good
        self._recheck_seconds = recheck_seconds
        self._open: set[ClientConnection] = set()
        self._left = asyncio.Event()
        self._closing = False

    @classmethod
    def of(cls, services: Services) -> "ClientConnections":
        """The visits of a house: its database says which credentials are good."""

        async def still_good(tokens: Collection[str]) -> Mapping[str, Actor]:
            async with services.database.autocommit_session() as session:
                return await current_actors(session, services.widget_tokens, tokens)

        return cls(still_good)

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def entered(self, token: str | None = None, actor: Actor | None = None) -> Iterator[ClientConnection]:
        """A visit, for as long as the block takes. While the process closes it is over at once."""
        connection = ClientConnection(token=token, actor=actor)
        if self._closing:
            connection.end(RESTART)
        self._open.add(connection)
        try:
            yield connection
        finally:
            self._open.discard(connection)
            self._left.set()

    async def run(self) -> None:
        """Looks at all credentials every 4 s: an end reaches its visits within 5 s. Runs until cancelled."""
        while True:
            await asyncio.sleep(self._recheck_seconds)
            try:
                await self.end_those_no_longer_good()
            except Exception as error:
                _logger.warning("connections.recheck_failed", error=repr(error))

    async def end_those_no_longer_good(self) -> None:
        """Ends every visit whose credential has run out, was revoked, or has other rights than it had."""
        held = [connection for connection in self._open if connection.token is not None]
        tokens = {connection.token for connection in held if connection.token is not None}
        if not tokens:
            return
        actors = await self._still_good(tokens)
        for connection in held:
            if connection.token is not None and actors.get(connection.token) != connection.actor:
                connection.end(FORBIDDEN)

    async def close_all(self) -> None:
        """Ends every visit with 1012, lets in no more, and waits up to 5 s until they have left."""
        self._closing = True
        for connection in list(self._open):
            connection.end(RESTART)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._open:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            _logger.warning("connections.close_timeout", connections=len(self._open))
