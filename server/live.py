"""
The live socket: GraphQL over WebSocket, by the protocol `graphql-transport-ws`.

Three kinds of task serve one socket: one reads, one writes what waits, and one for each operation. Whatever
ends one of the first two ends the socket; what goes wrong in an operation ends that operation.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from resolvers.context import Context, House
from resolvers.credentials import actor_of
from resolvers.errors import UnauthenticatedError
from schema.groups import Groups
from server.authentication import SESSION_COOKIE, bearer_token
from server.frames import ACK, PONG, SUBPROTOCOL, Ending, Kind, Message, RefusedError, malformed, read_message
from server.operations import Operations
from server.origins import is_foreign, may_call_from
from server.outgoing import StuckError
from server.transports import abort_of, connection_of
from server.visits import FORBIDDEN, GONE, STUCK, Visit, Visits, stop
from server.wire import Wire

_BROKEN = Ending(4500, "Internal server error")
_SUBPROTOCOL_NOT_ACCEPTABLE = Ending(4406, "Subprotocol not acceptable")

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long is waited, in seconds: for the first message, for a blocked send, and for a farewell."""

    init: float = 10.0
    patience: float = 30.0
    goodbye: float = 2.0
    # uvicorn gives the close handshake 10 s, and then waits without end for its buffer to drain.
    linger: float = 12.0


PACE = Pace()


def live_endpoint(pace: Pace = PACE) -> Callable[[WebSocket], Awaitable[None]]:
    """The WebSocket endpoint. The application's state has `house`, `settings`, `groups` and `visits`."""

    async def live(websocket: WebSocket) -> None:
        visits: Visits = websocket.app.state.visits
        with visits.entered() as visit:
            socket = Socket(websocket, visit, pace)
            if SUBPROTOCOL in websocket.scope["subprotocols"]:
                await websocket.accept(SUBPROTOCOL)
            else:
                await websocket.accept()
                visit.end(_SUBPROTOCOL_NOT_ACCEPTABLE)
            await socket.serve()

    return live


class Socket:
    """One accepted socket, from its first message to its end."""

    def __init__(self, websocket: WebSocket, visit: Visit, pace: Pace) -> None:
        self._websocket = websocket
        self._visit = visit
        self._pace = pace
        self._wire = Wire(connection_of(websocket.scope), pace.patience)
        self._outgoing = self._wire.outgoing
        self._operations: Operations | None = None
        self._abort = abort_of(websocket.scope)

    async def serve(self) -> None:
        """Serves until somebody ends it; afterwards nothing of it is left."""
        parts = (self._read, self._write)
        tasks = [asyncio.create_task(self._guarded(part)) for part in parts]
        ending = GONE
        try:
            ending = await self._visit.ending
        finally:
            await stop(tasks)
            self._wire.close()
            await self._say_goodbye(ending)
            if self._operations is not None:
                await self._operations.stop_all()

    async def _guarded(self, part: Callable[[], Awaitable[None]]) -> None:
        try:
            await part()
        except RefusedError as error:
            self._visit.end(error.ending)
        except StuckError:
            self._visit.end(STUCK)
        except WebSocketDisconnect:
            self._visit.end(GONE)
        except Exception:
            _logger.exception("live.failed")
            self._visit.end(_BROKEN)

    async def _read(self) -> None:
        context = await self._introduced(await self._first_message())
        groups: Groups = self._websocket.app.state.groups
        self._operations = Operations(context, groups, self._outgoing, lambda: self._visit.end(STUCK))
        await self._outgoing.put(ACK)
        while True:
            await self._take(self._operations, await self._next_message())
            # Many messages may have come in one piece; others have their turn in between.
            await asyncio.sleep(0)

    async def _first_message(self) -> Message:
        try:
            async with asyncio.timeout(self._pace.init):
                while True:
                    message = await self._next_message()
                    if message.kind is Kind.CONNECTION_INIT:
                        return message
                    if message.kind is Kind.SUBSCRIBE:
                        raise RefusedError(Ending(4401, "Unauthorized"))
                    if message.kind is Kind.PING:
                        await self._outgoing.put(PONG)
        except TimeoutError:
            raise RefusedError(Ending(4408, "Connection initialisation timeout")) from None

    async def _introduced(self, init: Message) -> Context:
        """Who is at the other end; raises RefusedError for a credential that is not good here."""
        house: House = self._websocket.app.state.house
        url: str = self._websocket.app.state.settings.url
        address = self._websocket.client.host if self._websocket.client else ""
        token = self._presented(init, url)
        if token is None:
            return Context(house, None, address)
        async with house.database.reading() as session:
            actor = await actor_of(session, house.widget_tokens, token)
        good = actor is not None and not actor.expired
        if not good or not await may_call_from(house, self._websocket, actor, url):
            raise RefusedError(FORBIDDEN)
        self._visit.token, self._visit.actor = token, actor
        return Context(house, actor, address)

    def _presented(self, init: Message, url: str) -> str | None:
        for name, value in (init.payload or {}).items():
            if name.lower() == "authorization" and value is not None:
                try:
                    return bearer_token(str(value))
                except UnauthenticatedError:
                    raise RefusedError(FORBIDDEN) from None
        # The browser adds the cookie to whatever page's socket: another site's must not ride on it.
        return None if is_foreign(self._websocket, url) else self._websocket.cookies.get(SESSION_COOKIE)

    async def _take(self, operations: Operations, message: Message) -> None:
        match message.kind:
            case Kind.CONNECTION_INIT:
                raise RefusedError(Ending(4429, "Too many initialisation requests"))
            case Kind.SUBSCRIBE:
                await operations.start(message.id, message.payload or {})
            case Kind.COMPLETE:
                await operations.stop(message.id)
            case Kind.PING:
                await self._outgoing.put(PONG)
            case Kind.PONG:
                pass

    async def _next_message(self) -> Message:
        event: dict[str, Any] = dict(await self._websocket.receive())
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event["code"], event.get("reason"))
        text = event.get("text")
        if text is None:
            raise malformed("frames must be text")
        return read_message(text)

    async def _write(self) -> None:
        await self._wire.broken

    async def _say_goodbye(self, ending: Ending) -> None:
        if ending not in (GONE, STUCK):
            try:
                async with asyncio.timeout(self._pace.goodbye):
                    with suppress(RuntimeError, WebSocketDisconnect):
                        await self._websocket.close(ending.code, ending.short_reason)
            except TimeoutError:
                ending = STUCK
        if ending is STUCK:
            _logger.info("live.stuck")
            self._abort()
        else:
            asyncio.get_running_loop().call_later(self._pace.linger, self._abort)
