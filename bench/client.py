"""A lean HTTP/1.1 client: connections that are kept, requests that are ready as bytes, one at a time on each.

A library would cost more than what it measures. Here an answer is a search for two headers.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import cast

_OK = b"HTTP/1.1 200 "
_LENGTH = b"content-length:"
PATIENCE_SECONDS = 30.0


class BadAnswerError(Exception):
    """The server answered something else than what is measured."""


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a server."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests, and what the body of each good answer begins with."""

    requests: Iterator[bytes]
    begins: bytes


@dataclass(slots=True)
class Sample:
    """The result of a run: each request's latency and the run's duration, in seconds."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    bodies: list[bytes] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds


def post(target: Target, path: str, body: bytes, token: str) -> bytes:
    """Return a POST request with a JSON body."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: {target.host}:{target.port}\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\naccept: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(target: Target, path: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nhost: {target.host}:{target.port}\r\n\r\n".encode()


async def run(
    target: Target,
    asked: Asked,
    clients: int,
    seconds: float,
    keep_bodies: bool = False,
    pause: float = 0.0,
) -> Sample:
    """Send what is asked over `clients` connections until the time, or the requests, are over.

    A connection sends its next request as soon as the last one is answered, or `pause` seconds after it was
    sent. What is under way at the end is waited for and counts. Raises BadAnswerError for any answer that is
    not good.
    """
    loop = asyncio.get_running_loop()
    sample = Sample()
    connections = [
        (await loop.create_connection(lambda: _Connection(asked, sample, pause), target.host, target.port))[1]
        for _ in range(clients)
    ]
    began = perf_counter()
    for connection in connections:
        connection.begin(began + seconds, keep_bodies)
    try:
        async with asyncio.timeout(seconds + PATIENCE_SECONDS):
            await asyncio.gather(*(connection.over for connection in connections))
        sample.seconds = perf_counter() - began
    finally:
        for connection in connections:
            connection.close()
    return sample


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered and the pause is over."""

    def __init__(self, asked: Asked, sample: Sample, pause: float) -> None:
        self._asked = asked
        self._sample = sample
        self._pause = pause
        self._received = b""
        self._sent_at = 0.0
        self._until = 0.0
        self._keep_bodies = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio's do, without being theirs by class.
        self._transport = cast(asyncio.Transport, transport)

    def begin(self, until: float, keep_bodies: bool) -> None:
        self._until, self._keep_bodies = until, keep_bodies
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        body = body_of(self._received)
        if body is None:
            return
        self._sample.latencies.append(perf_counter() - self._sent_at)
        if not (self._received.startswith(_OK) and body.startswith(self._asked.begins)):
            self._fail(BadAnswerError(self._received.decode(errors="replace")))
            return
        if self._keep_bodies:
            self._sample.bodies.append(body)
        left = self._sent_at + self._pause - perf_counter() if self._pause else 0.0
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._next)
        else:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self._fail(BadAnswerError(f"the server closed the connection: {exc!r}"))

    def close(self) -> None:
        self._transport.close()

    def _next(self) -> None:
        if self.over.done():  # the connection was lost during a pause
            return
        now = perf_counter()
        request = next(self._asked.requests, None) if now < self._until else None
        if request is None:
            self.over.set_result(None)
            return
        self._received = b""
        self._sent_at = now
        self._transport.write(request)

    def _fail(self, error: Exception) -> None:
        self.over.set_exception(error)
        self._transport.abort()


def body_of(received: bytes) -> bytes | None:
    """Return the body of a response, or None until it is complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = received[:end].lower()
    at = head.find(_LENGTH)
    if at < 0:
        raise BadAnswerError(received.decode(errors="replace"))
    length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
    body = received[end + 4 :]
    return body if len(body) >= length else None
