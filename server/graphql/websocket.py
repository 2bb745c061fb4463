"""GraphQL over WebSocket, by the protocol `graphql-transport-ws`.

An idle session has no task. An error in reading or writing closes the connection; an error in an operation
ends that operation.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog
from starlette.websockets import WebSocket

from models.database import is_unavailable
from realtime.cancellation import cancel_and_wait
from realtime.single_flight import BURST_SECONDS, SingleFlight
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.credentials import SESSION_START, CredentialUse
from resolvers.errors import ForbiddenError, UnauthenticatedError
from resolvers.presented_credential import identify_caller
from server.graphql.client_connections import (
    CLIENT_GONE,
    CLIENT_STALLED,
    CREDENTIAL_EXPIRED,
    CREDENTIAL_UNKNOWN,
    SESSION_ENDED,
)
from server.graphql.frame_encoder import text_frame
from server.graphql.operations import Operations
from server.graphql.protocol import (
    ACK,
    PONG,
    SUBPROTOCOL,
    ClientMessage,
    CloseReason,
    MessageType,
    ProtocolError,
    malformed,
    parse_message,
)
from server.graphql.send_queue import SendQueue
from server.graphql.state import app_state
from server.graphql.websocket_protocol import connection_of
from server.http.authentication import client_address, presented_credential
from server.http.origins import may_call_from

_ACK, _PONG = text_frame(ACK), text_frame(PONG)

_INTERNAL_ERROR = CloseReason(4500, "Internal server error")
# Clients reconnect after 1013, and never after 4500.
_TRY_AGAIN_LATER = CloseReason(1013, "Try again later")
_TOO_MANY_CONNECTIONS = CloseReason(1013, "Try again later: a conversation has at most 5 connections")
_SUBPROTOCOL_NOT_ACCEPTABLE = CloseReason(4406, "Subprotocol not acceptable")
_INIT_TIMEOUT = CloseReason(4408, "Connection initialisation timeout")
_TOO_MANY_INITS = CloseReason(4429, "Too many initialisation requests")
_UNAUTHORIZED = CloseReason(4401, "Unauthorized")
_NO_CREDENTIAL = CloseReason(4401, "Unauthorized: a connection without credential ends after 15 s")
_ORIGIN_NOT_ALLOWED = CloseReason(4403, "Forbidden: the origin of this page is not allowed")
_CREDENTIAL_MALFORMED = CloseReason(4403, 'Forbidden: authorization must be "Bearer" and a token')

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for `connection_init`, for an anonymous connection, for an unread message, and for a close."""

    init: float = 10.0
    anonymous: float = 15.0
    send: float = 30.0
    close: float = 3.0


TIMEOUTS = Timeouts()


def websocket_endpoint(timeouts: Timeouts = TIMEOUTS) -> Callable[[WebSocket], Awaitable[None]]:
    """Return the WebSocket endpoint.

    The application's state has `services`, `settings`, `groups` and `connections`. Clients that present the
    same credential concurrently share one look-up.
    """
    lookups: SingleFlight[Actor | None] = SingleFlight(BURST_SECONDS)

    async def accept(websocket: WebSocket) -> None:
        WebSocketSession(websocket, lookups, timeouts)

    return accept


class WebSocketSession:
    """One WebSocket, from its handshake to its end. The connection and its timers keep it alive."""

    __slots__ = (
        "_admission",
        "_client",
        "_clients",
        "_closing",
        "_connection",
        "_groups",
        "_inbox",
        "_init_timer",
        "_lookups",
        "_operations",
        "_queue",
        "_reader",
        "_services",
        "_timeouts",
        "_websocket",
    )

    def __init__(self, websocket: WebSocket, lookups: SingleFlight[Actor | None], timeouts: Timeouts) -> None:
        state = app_state(websocket)
        self._services = state.services
        self._admission = state.admission
        self._groups = state.groups
        self._clients = state.connections
        self._lookups = lookups
        self._timeouts = timeouts
        self._websocket: WebSocket | None = websocket
        self._operations: Operations | None = None
        self._inbox: list[tuple[bytes, bool]] = []
        self._reader: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._client = self._clients.add(self._start_closing)
        self._init_timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(
            timeouts.init, self._client.close, _INIT_TIMEOUT
        )
        self._connection = connection_of(websocket.scope)
        self._queue = SendQueue(self._connection, timeouts.send, self._client_stalled)
        if SUBPROTOCOL in websocket.scope["subprotocols"]:
            self._connection.accept(self, SUBPROTOCOL)
        else:
            self._connection.accept(self)
            self._client.close(_SUBPROTOCOL_NOT_ACCEPTABLE)

    def receive_message(self, data: bytes, is_text: bool) -> None:
        """Handle a message after those before it."""
        self._inbox.append((data, is_text))
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())

    def client_gone(self) -> None:
        """End the session, since there is no client any more."""
        self._queue.close()
        self._client.close(CLIENT_GONE)

    def _client_stalled(self) -> None:
        self._client.close(CLIENT_STALLED)

    async def _read(self) -> None:
        try:
            while self._inbox:
                # A client that does not read the answers gets no further ones.
                await self._queue.wait_for_space()
                await self._handle(_parse(*self._inbox.pop(0)))
                # Many messages may have come together: let other clients' turns come in between.
                await asyncio.sleep(0)
        except ProtocolError as error:
            self._client.close(error.reason)
        except Exception as error:
            if is_unavailable(error):
                self._client.close(_TRY_AGAIN_LATER)
            else:
                _logger.exception("websocket.failed")
                self._client.close(_INTERNAL_ERROR)
        else:
            self._reader = None
            self._connection.resume_reading()

    async def _handle(self, message: ClientMessage) -> None:
        if message.type is MessageType.PING:
            await self._queue.send(_PONG)
        elif self._operations is not None:
            await self._handle_operation(self._operations, message)
        elif message.type is MessageType.CONNECTION_INIT:
            await self._handle_init(message)
        elif message.type is MessageType.SUBSCRIBE:
            raise ProtocolError(_UNAUTHORIZED)

    async def _handle_operation(self, operations: Operations, message: ClientMessage) -> None:
        match message.type:
            case MessageType.CONNECTION_INIT:
                raise ProtocolError(_TOO_MANY_INITS)
            case MessageType.SUBSCRIBE:
                await operations.start(message.id, message.payload or {})
            case MessageType.COMPLETE:
                await operations.stop(message.id)

    async def _handle_init(self, init: ClientMessage) -> None:
        assert self._websocket is not None  # it is kept until there are operations
        self._stop_init_timer()
        context = await self._authenticate(self._websocket, init)
        # Free the handshake: its headers take as much memory as the rest of the session.
        self._websocket = None
        self._operations = Operations(context, self._groups, self._queue, self._admission)
        if context.caller is None:
            # Signing in and public queries are possible, but not holding a connection.
            self._init_timer = asyncio.get_running_loop().call_later(
                self._timeouts.anonymous, self._client.close, _NO_CREDENTIAL
            )
        await self._queue.send(_ACK)

    async def _authenticate(self, websocket: WebSocket, init: ClientMessage) -> Context:
        """Return the caller's context; raise ProtocolError for a credential that does not hold here."""
        address, origin = client_address(websocket), websocket.headers.get("origin")
        url = app_state(websocket).settings.url
        token = _presented_token(websocket, init, url)
        if token is None:
            return Context(self._services, None, address, origin=origin)
        services = self._services
        use = CredentialUse(address, services.session_idle)
        look_up = partial(identify_caller, services, token, use)
        actor = await self._lookups.run(f"{address} {token}", look_up)
        if actor is None:
            is_session = token.startswith(SESSION_START)
            raise ProtocolError(SESSION_ENDED if is_session else CREDENTIAL_UNKNOWN)
        if actor.expired:
            raise ProtocolError(CREDENTIAL_EXPIRED)
        if not await may_call_from(services, websocket, actor, url):
            raise ProtocolError(_ORIGIN_NOT_ALLOWED)
        if not self._clients.has_room(actor):
            raise ProtocolError(_TOO_MANY_CONNECTIONS)
        self._clients.identify(self._client, token, actor)
        return Context(services, actor, address, origin=origin)

    def _stop_init_timer(self) -> None:
        if self._init_timer is not None:
            self._init_timer.cancel()
            self._init_timer = None

    def _start_closing(self, reason: CloseReason) -> None:
        self._closing = asyncio.create_task(self._close(reason))

    async def _close(self, reason: CloseReason) -> None:
        """Close the connection and release everything that the session holds."""
        self._stop_init_timer()
        self._queue.close()
        if reason is CLIENT_STALLED:
            _logger.info("websocket.client_stalled")
            self._connection.abort()
        elif reason is not CLIENT_GONE:
            self._connection.close(reason.code, reason.short_text, self._timeouts.close)
        try:
            if self._reader:
                await cancel_and_wait([self._reader])
            if self._operations is not None:
                await self._operations.stop_all()
        finally:
            self._clients.remove(self._client)


def _parse(data: bytes, is_text: bool) -> ClientMessage:
    if not is_text:
        raise malformed("messages must be text")
    return parse_message(data)


def _presented_token(websocket: WebSocket, init: ClientMessage, url: str) -> str | None:
    fields = {name.lower(): value for name, value in (init.payload or {}).items()}
    value = fields.get("authorization")
    try:
        credential = presented_credential(websocket, None if value is None else str(value), url)
    except UnauthenticatedError:
        raise ProtocolError(_CREDENTIAL_MALFORMED) from None
    except ForbiddenError:
        # A browser adds the cookie to a socket of any page: ignore it on a page of another site.
        credential = None
    if credential is None and fields and "authorization" not in fields:
        # A client that sends its token in another field must not become anonymous without a word.
        hint = '{"authorization": "Bearer TOKEN"}'
        raise malformed(f'connection_init takes {hint}, and not "{next(iter(fields))}"')
    return credential.token if credential else None
