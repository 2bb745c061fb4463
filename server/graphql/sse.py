"""GraphQL over Server-Sent Events: one operation for each request.

This is the distinct connections mode of the protocol `graphql-sse` (github.com/enisdenjo/graphql-sse).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from realtime.cancellation import cancel_and_wait, set_unless_done
from resolvers.context import Context
from schema.errors import format_error
from schema.live.event_buffer import EncodedBatch
from schema.live.group_member import Sink
from server.graphql.client_connections import (
    CLIENT_GONE,
    CLIENT_STALLED,
    ClientConnection,
    ClientConnections,
)
from server.graphql.protocol import CloseReason
from server.graphql.send_queue import SendQueue
from server.graphql.state import app_state
from server.graphql.uvicorn_protocols import transport_of
from server.http.authentication import AuthenticatedCall
from server.http.unread_bytes import unread_bytes

_COMPLETED = CloseReason(1000, "The operation is over")
_INTERNAL_ERROR = CloseReason(1011, "Internal server error")

_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata: \n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamTimeouts:
    """Seconds between comments, until a client has read something, and for the end of the response."""

    # Proxies close a silent connection, some after 15 s.
    comment: float = 12.0
    send: float = 30.0
    close: float = 2.0


TIMEOUTS = StreamTimeouts()

# Runs an operation, sends its results to a sink, and returns the errors that ended it.
Run = Callable[[Sink], Awaitable[list[dict[str, Any]] | None]]


def event_stream(
    run: Run, request: Request, call: AuthenticatedCall, timeouts: StreamTimeouts = TIMEOUTS
) -> Response:
    """Return the response that carries an operation's results while the caller's credential holds.

    The application's state has `connections`. A stream that is cut off ends without `complete`, so that
    clients reconnect.
    """
    return EventStream(run, app_state(request).connections, call.token, call.context, timeouts)


class EventStream(Response):
    """Response that sends each result as it comes, and a comment every 12 s."""

    def __init__(
        self,
        run: Run,
        clients: ClientConnections,
        token: str | None,
        context: Context,
        timeouts: StreamTimeouts,
    ) -> None:
        # The base class measures the body, which is not known yet.
        self.status_code = 200
        self.media_type = "text/event-stream"
        self.background = None
        self.init_headers(_HEADERS)
        self._run = run
        self._clients = clients
        self._token = token
        self._context = context
        self._timeouts = timeouts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request. Nothing of it is held afterwards."""
        timeouts = self._timeouts
        transport = transport_of(scope)
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        writer = SseWriter(send, start, partial(unread_bytes, transport))
        closed: asyncio.Future[CloseReason] = asyncio.get_running_loop().create_future()
        with self._clients.added(
            partial(set_unless_done, closed), self._token, self._context.caller
        ) as client:
            queue = SendQueue(writer, timeouts.send, partial(client.close, CLIENT_STALLED))
            disconnected = asyncio.create_task(_wait_for_disconnect(client, receive))
            work = (
                writer.run,
                partial(self._run_operation, queue),
                partial(_send_comments, queue, timeouts.comment),
            )
            tasks = [asyncio.create_task(_close_when_over(client, part)) for part in work]
            reason = CLIENT_GONE
            try:
                reason = await closed
            finally:
                queue.close()
                await cancel_and_wait(tasks)
                if not await _finish(reason, writer, timeouts.close):
                    _logger.info("sse.client_stalled")
                    transport.abort()
                    # uvicorn learns of that in the next iteration of the event loop. It logs a response that
                    # ends earlier as incomplete.
                    await asyncio.wait({disconnected}, timeout=timeouts.close)
                await cancel_and_wait([disconnected])

    async def _run_operation(self, queue: SendQueue) -> None:
        try:
            errors = await self._run(SseSink(queue))
        except Exception as error:
            errors = [format_error(error)]
        if errors is not None:
            await queue.send(_next_event(orjson.dumps({"errors": errors})))
        await queue.send(_COMPLETE)
        await queue.wait_until_sent()


class SseSink:
    """Sink that sends an operation's results as events."""

    def __init__(self, queue: SendQueue) -> None:
        self._queue = queue

    def offer(self, batch: EncodedBatch) -> bool:
        """Send or queue all results; return False if there is no space."""
        events = batch.shared("event-stream", _next_events)
        return self._queue.try_send(events, frames=len(batch.payloads))

    async def put(self, batch: EncodedBatch) -> None:
        """Send or queue each result as soon as there is space."""
        for payload in batch.payloads:
            await self._queue.send(_next_event(payload))


class SseWriter:
    """Writer of a response's body by ASGI's `send`, one piece at a time.

    It is writable once `run` has sent the piece before. The start of the response is the first of them.
    """

    def __init__(self, send: Send, start: dict[str, Any], unread_bytes: Callable[[], int]) -> None:
        self.on_change: Callable[[], None] = _do_nothing
        self._send = send
        self._start: dict[str, Any] | None = start
        self._unread_bytes = unread_bytes
        self._piece: bytes | None = b""
        self._written = asyncio.Event()

    @property
    def writable(self) -> bool:
        """Return whether `write` may be called now."""
        return self._piece is None

    @property
    def unread_bytes(self) -> int:
        """Return the number of bytes that the client's system has not taken yet."""
        return self._unread_bytes()

    def write(self, data: bytes) -> None:
        """Have `run` send a piece."""
        self._piece = data
        self._written.set()
        self.on_change()

    async def run(self) -> None:
        """Send the start of the response, then every piece. Never returns."""
        await self._begin()
        while True:
            self._piece = None
            self.on_change()
            await self._written.wait()
            self._written.clear()
            await self._send({"type": "http.response.body", "body": self._piece, "more_body": True})

    async def finish(self) -> None:
        """End the response, which may have been closed before `run` began."""
        await self._begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _begin(self) -> None:
        if self._start is not None:
            await self._send(self._start)
            self._start = None


def _do_nothing() -> None:
    pass


def _next_events(payloads: Sequence[bytes], _: str) -> bytes:
    return b"".join(map(_next_event, payloads))


def _next_event(payload: bytes) -> bytes:
    return b"event: next\ndata: " + payload + b"\n\n"


async def _send_comments(queue: SendQueue, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        queue.try_send(_COMMENT)


async def _close_when_over(client: ClientConnection, part: Callable[[], Awaitable[None]]) -> None:
    try:
        await part()
    except OSError:
        client.close(CLIENT_GONE)
    except Exception:
        _logger.exception("sse.failed")
        client.close(_INTERNAL_ERROR)
    else:
        client.close(_COMPLETED)


async def _wait_for_disconnect(client: ClientConnection, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.close(CLIENT_GONE)


async def _finish(reason: CloseReason, writer: SseWriter, seconds: float) -> bool:
    """End the response; return False if the client does not read."""
    if reason is CLIENT_STALLED:
        return False
    if reason is not CLIENT_GONE:
        try:
            async with asyncio.timeout(seconds):
                await writer.finish()
        except TimeoutError:
            return False
        except OSError:
            pass
    return True
