"""
The live socket: GraphQL over WebSocket, by the protocol `graphql-transport-ws`.

A socket that only listens has one task, which waits for its end. What goes wrong in reading or writing ends
the socket; what goes wrong in an operation ends that operation.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from starlette.websockets import WebSocket
from uvicorn.protocols.utils import ClientDisconnected

from models.database import is_unavailable
from realtime.cancellation import cancel_and_wait
from realtime.single_flight import SingleFlight
from resolvers.actor import Actor
from resolvers.context import Context, Services
from resolvers.credentials import actor_of
from resolvers.errors import UnauthenticatedError
from schema.live.groups import Groups
from server.graphql.client_connections import (
    CLIENT_GONE,
    CLIENT_STALLED,
    FORBIDDEN,
    ClientConnection,
    ClientConnections,
)
from server.graphql.frame_writer import Wire
from server.graphql.operations import Operations
from server.graphql.protocol import (
    ACK,
    PONG,
    SUBPROTOCOL,
    CloseReason,
    Kind,
    Message,
    ProtocolError,
    framed,
    malformed,
    read_message,
)
from server.graphql.uvicorn_protocols import abort_of, connection_of
from server.http.authentication import SESSION_COOKIE, bearer_token
from server.http.origins import is_foreign, may_call_from

_ACK, _PONG = framed(ACK), framed(PONG)

_BROKEN = CloseReason(4500, "Internal server error")
# Clients come back after 1013, and never after 4500.
_LATER = CloseReason(1013, "Try again later")
_SUBPROTOCOL_NOT_ACCEPTABLE = CloseReason(4406, "Subprotocol not acceptable")

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long is waited, in seconds: for the first message, for a blocked send, and for a farewell."""

    init: float = 10.0
    patience: float = 30.0
    goodbye: float = 2.0
    # uvicorn gives the close handshake 10 s, and then waits without end for its buffer to drain.
    linger: float = 12.0


PACE = Timeouts()


def live_endpoint(timeouts: Timeouts = PACE) -> Callable[[WebSocket], Awaitable[None]]:
    """
    The WebSocket endpoint. The application's state has `services`, `settings`, `groups` and `connections`.

    Many who come back at once with one credential are looked up by one question.
    """

    who: SingleFlight[Actor | None] = SingleFlight()

    async def live(websocket: WebSocket) -> None:
        connections: ClientConnections = websocket.app.state.connections
        with connections.entered() as visit:
            if SUBPROTOCOL in websocket.scope["subprotocols"]:
                await websocket.accept(SUBPROTOCOL)
            else:
                await websocket.accept()
                visit.end(_SUBPROTOCOL_NOT_ACCEPTABLE)
            await Socket(websocket, visit, who, timeouts).serve()

    return live


class Socket:
    """
    One accepted socket, from its first message to its end.

    Messages come by `take`. A task reads while there are any; otherwise only `serve` waits, for the end.
    """

    __slots__ = (
        "_abort",
        "_connection",
        "_groups",
        "_house",
        "_inbox",
        "_init_timer",
        "_operations",
        "_pace",
        "_reader",
        "_url",
        "_visit",
        "_websocket",
        "_who",
        "_wire",
    )

    def __init__(
        self,
        websocket: WebSocket,
        visit: ClientConnection,
        who: SingleFlight[Actor | None],
        timeouts: Timeouts,
    ) -> None:
        self._house: Services = websocket.app.state.services
        self._groups: Groups = websocket.app.state.groups
        self._url: str = websocket.app.state.settings.url
        self._connection = connection_of(websocket.scope)
        self._abort = abort_of(websocket.scope)
        self._visit = visit
        self._who = who
        self._pace = timeouts
        self._websocket: WebSocket | None = websocket
        self._operations: Operations | None = None
        self._inbox: list[Mapping[str, Any]] = []
        self._reader: asyncio.Task[None] | None = None
        self._wire = Wire(self._connection, timeouts.patience, partial(visit.end, CLIENT_STALLED))
        late = CloseReason(4408, "Connection initialisation timeout")
        self._init_timer = asyncio.get_running_loop().call_later(timeouts.init, visit.end, late)

    async def serve(self) -> None:
        """Serves until somebody ends it; afterwards nothing of it is left."""
        reason = CLIENT_GONE
        try:
            self._connection.hand_to(self)
            reason = await self._visit.reason
        finally:
            self._init_timer.cancel()
            if self._reader:
                await cancel_and_wait([self._reader])
            self._wire.close()
            try:
                await self._say_goodbye(reason)
            finally:
                if self._operations is not None:
                    await self._operations.stop_all()

    def take(self, event: Mapping[str, Any]) -> None:
        """A message has come, or the client has gone."""
        if event["type"] == "websocket.disconnect":
            self._wire.close()
            self._visit.end(CLIENT_GONE)
        elif not self._visit.reason.done():
            self._inbox.append(event)
            if self._reader is None:
                self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._inbox:
                # Who does not hear the answers need not ask on.
                await self._wire.room()
                await self._heed(_message_of(self._inbox.pop(0)))
                # Many messages may have come in one piece; others have their turn in between.
                await asyncio.sleep(0)
        except ProtocolError as error:
            self._visit.end(error.ending)
        except Exception as error:
            if is_unavailable(error):
                self._visit.end(_LATER)
            else:
                _logger.exception("websocket.failed")
                self._visit.end(_BROKEN)
        else:
            self._reader = None
            self._connection.read_on()

    async def _heed(self, message: Message) -> None:
        if message.kind is Kind.PING:
            await self._wire.put(_PONG)
        elif self._operations is not None:
            await self._take_part(self._operations, message)
        elif message.kind is Kind.CONNECTION_INIT:
            await self._let_in(message)
        elif message.kind is Kind.SUBSCRIBE:
            raise ProtocolError(CloseReason(4401, "Unauthorized"))

    async def _take_part(self, operations: Operations, message: Message) -> None:
        match message.kind:
            case Kind.CONNECTION_INIT:
                raise ProtocolError(CloseReason(4429, "Too many initialisation requests"))
            case Kind.SUBSCRIBE:
                await operations.start(message.id, message.payload or {})
            case Kind.COMPLETE:
                await operations.stop(message.id)

    async def _let_in(self, init: Message) -> None:
        assert self._websocket is not None  # nobody has been let in yet
        self._init_timer.cancel()
        context = await self._introduced(self._websocket, init)
        # What the handshake said is not asked for again.
        self._websocket = None
        self._connection.forget_handshake()
        self._operations = Operations(context, self._groups, self._wire)
        await self._wire.put(_ACK)

    async def _introduced(self, websocket: WebSocket, init: Message) -> Context:
        """Who is at the other end; raises RefusedError for a credential that is not good here."""
        address = websocket.client.host if websocket.client else ""
        token = _presented(websocket, init, self._url)
        if token is None:
            return Context(self._house, None, address)
        services = self._house
        ask = partial(actor_of, services.database, services.widget_tokens, token)
        actor = await self._who.run(token, ask)
        good = actor is not None and not actor.expired
        if not good or not await may_call_from(self._house, websocket, actor, self._url):
            raise ProtocolError(FORBIDDEN)
        self._visit.token, self._visit.actor = token, actor
        return Context(self._house, actor, address)

    async def _say_goodbye(self, reason: CloseReason) -> None:
        if reason not in (CLIENT_GONE, CLIENT_STALLED):
            try:
                async with asyncio.timeout(self._pace.goodbye):
                    with suppress(RuntimeError, ClientDisconnected):
                        await self._connection.close(reason.code, reason.short_reason)
            except TimeoutError:
                reason = CLIENT_STALLED
        if reason is CLIENT_STALLED:
            _logger.info("websocket.client_stalled")
            self._abort()
        else:
            asyncio.get_running_loop().call_later(self._pace.linger, self._abort)


def _message_of(event: Mapping[str, Any]) -> Message:
    text = event.get("text")
    if text is None:
        raise malformed("frames must be text")
    return read_message(text)


def _presented(websocket: WebSocket, init: Message, url: str) -> str | None:
    for name, value in (init.payload or {}).items():
        if name.lower() == "authorization" and value is not None:
            try:
                return bearer_token(str(value))
            except UnauthenticatedError:
                raise ProtocolError(FORBIDDEN) from None
    # The browser adds the cookie to whatever page's socket: another site's must not ride on it.
    return None if is_foreign(websocket, url) else websocket.cookies.get(SESSION_COOKIE)
