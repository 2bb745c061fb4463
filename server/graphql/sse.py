"""
GraphQL over Server-Sent Events: one operation for each request.

That is the distinct connections mode of the protocol `graphql-sse` (github.com/enisdenjo/graphql-sse).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from realtime.cancellation import cancel_and_wait
from resolvers.context import Context
from schema.errors import format_error
from schema.live.event_buffer import EncodedBatch
from schema.live.groups import Sink
from server.graphql.client_connections import CLIENT_GONE, CLIENT_STALLED, ClientConnection, ClientConnections
from server.graphql.protocol import CloseReason
from server.graphql.send_queue import ClientStalledError, Outgoing, Sender
from server.graphql.uvicorn_protocols import abort_of
from server.http.authentication import SESSION_COOKIE, bearer_token

# Proxies close what is silent for a while, some after 15 s.
AWAKE_SECONDS = 12.0
PATIENCE_SECONDS = 30.0
GOODBYE_SECONDS = 2.0

_DONE = CloseReason(1000, "The operation is over")
_BROKEN = CloseReason(1011, "Internal server error")

_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata: \n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_logger = structlog.get_logger(__name__)


# Runs an operation, tells a listener its results, and gives the errors that ended it.
Run = Callable[[Sink], Awaitable[list[dict[str, Any]] | None]]


def event_stream(run: Run, request: Request, context: Context) -> Response:
    """
    The response that carries an operation's results, for as long as the caller's credential is good.

    The application's state has `connections`. A stream that is cut off ends without `complete`, so that
    clients reconnect.
    """
    token = None
    if context.caller is not None:
        token = bearer_token(request.headers.get("authorization")) or request.cookies.get(SESSION_COOKIE)
    return EventStream(run, request.app.state.connections, token, context)


class EventStream(Response):
    """Sends each result as it comes, and a comment every 12 s."""

    def __init__(
        self,
        run: Run,
        connections: ClientConnections,
        token: str | None,
        context: Context,
    ) -> None:
        # No body is known yet, so the base class must not measure one.
        self.status_code = 200
        self.media_type = "text/event-stream"
        self.background = None
        self.init_headers(_HEADERS)
        self._run = run
        self._visits = connections
        self._token = token
        self._context = context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers the request; afterwards nothing of it is left."""
        with self._visits.entered(self._token, self._context.caller) as connection:
            voice = _Voice(send)
            left = asyncio.create_task(_leave(connection, receive))
            parts: list[Callable[[], Awaitable[None]]] = [lambda: self._tell(voice), voice.keep_awake]
            tasks = [asyncio.create_task(_guarded(connection, part)) for part in parts]
            reason = CLIENT_GONE
            try:
                reason = await connection.reason
            finally:
                await cancel_and_wait(tasks)
                await _say_goodbye(reason, voice, scope, left)
                await cancel_and_wait([left])

    async def _tell(self, voice: "_Voice") -> None:
        await voice.say(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        sender = Sender(PATIENCE_SECONDS, voice.say_chunk)
        tasks = {asyncio.create_task(part) for part in (sender.run(), self._tell_all(sender))}
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await cancel_and_wait(tasks)

    async def _tell_all(self, sender: Sender) -> None:
        errors = await self._until_last(sender.outgoing)
        if errors is not None:
            await sender.outgoing.put(_next(orjson.dumps({"errors": errors})))
        await sender.outgoing.put(_COMPLETE)
        await sender.drained()

    async def _until_last(self, outgoing: Outgoing) -> list[dict[str, Any]] | None:
        try:
            return await self._run(_Teller(outgoing))
        except ClientStalledError:
            raise
        except Exception as error:
            return [format_error(error)]


class _Teller:
    """Has an operation's results sent as events."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    def offer(self, results: EncodedBatch) -> bool:
        """Has them sent, if there is room."""
        events = results.shared("event-stream", _events)
        return self._outgoing.offer(events, frames=len(results.payloads))

    async def put(self, results: EncodedBatch) -> None:
        """Has them sent as soon as there is room."""
        for payload in results.payloads:
            await self._outgoing.put(_next(payload))


class _Voice:
    """Sends one thing at a time; StuckError is raised when one is blocked for 30 s."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._free = asyncio.Lock()

    async def say(self, message: Message, seconds: float | None = None) -> None:
        try:
            async with asyncio.timeout(seconds or PATIENCE_SECONDS), self._free:
                await self._send(message)
        except TimeoutError:
            raise ClientStalledError from None

    async def say_chunk(self, chunk: bytes) -> None:
        await self.say({"type": "http.response.body", "body": chunk, "more_body": True})

    async def say_last(self) -> None:
        await self.say({"type": "http.response.body", "body": b"", "more_body": False}, GOODBYE_SECONDS)

    async def keep_awake(self) -> None:
        while True:
            await asyncio.sleep(AWAKE_SECONDS)
            await self.say_chunk(_COMMENT)


def _events(payloads: Sequence[bytes], _: str) -> bytes:
    return b"".join(map(_next, payloads))


def _next(payload: bytes) -> bytes:
    return b"event: next\ndata: " + payload + b"\n\n"


async def _guarded(connection: ClientConnection, part: Callable[[], Awaitable[None]]) -> None:
    try:
        await part()
    except ClientStalledError:
        connection.end(CLIENT_STALLED)
    except OSError:
        connection.end(CLIENT_GONE)
    except Exception:
        _logger.exception("sse.failed")
        connection.end(_BROKEN)
    else:
        connection.end(_DONE)


async def _leave(connection: ClientConnection, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    connection.end(CLIENT_GONE)


async def _say_goodbye(reason: CloseReason, voice: _Voice, scope: Scope, left: asyncio.Task[None]) -> None:
    if reason not in (CLIENT_GONE, CLIENT_STALLED):
        try:
            await voice.say_last()
        except ClientStalledError:
            reason = CLIENT_STALLED
        except OSError:
            return
    if reason is CLIENT_STALLED:
        _logger.info("sse.client_stalled")
        abort_of(scope)()
        # uvicorn is told of it in the loop's next turn, and reports an answer that ends before as unfinished.
        await asyncio.wait({left}, timeout=GOODBYE_SECONDS)
