"""Connections that send slowly, read nothing, say nothing, or are too many."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

from attack.case import MIB, Limits, case
from attack.wire import Streams, connection, frame, message, open_socket, parse, request
from attack.world import World, expect

_POST = {"Content-Type": "application/json"}
_HEAD_SECONDS, _BODY_SECONDS, _UNREAD_SECONDS, _ANONYMOUS_SECONDS = 10, 30, 30, 15
_EACH = 10  # connections of a case, so that all slow cases together stay below the limit of an address
_MANY = 400
_REFUSAL = b'"type":"error"'


async def until_cut(streams: Streams, seconds: float, send: Callable[[], Awaitable[None]]) -> None:
    """Call `send` every half second until the server cuts the connection; expect that in time."""
    reader, _ = streams
    began = time.monotonic()

    async def keep_sending() -> None:
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(0.5)
                await send()

    sending = asyncio.create_task(keep_sending())
    try:
        async with asyncio.timeout(seconds):
            with suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
    except TimeoutError:
        expect(False, f"the connection is open after {time.monotonic() - began:.0f} s")
    finally:
        sending.cancel()


async def each(world: World, attack: Callable[[Streams], Awaitable[None]], count: int = _EACH) -> None:
    """Run an attack on some connections concurrently."""

    async def one() -> None:
        async with connection(world.port) as streams:
            await attack(streams)

    await asyncio.gather(*(one() for _ in range(count)))


def _allowance(world: World, seconds: float) -> float:
    return seconds * 1.25 + world.patience(3)


@case("slow heads", "a head is complete within 10 s, or cut", slow=True)
async def send_slow_heads(world: World) -> None:
    """Send a field of the head every half second."""

    async def attack(streams: Streams) -> None:
        async def send() -> None:
            streams[1].write(b"X-Y: z\r\n")
            await streams[1].drain()

        streams[1].write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        await until_cut(streams, _allowance(world, _HEAD_SECONDS), send)

    await each(world, attack)


@case("silent connections", "a connection without a request is cut within 10 s", slow=True)
async def say_nothing(world: World) -> None:
    """Connect and say nothing."""

    async def attack(streams: Streams) -> None:
        await until_cut(streams, _allowance(world, _HEAD_SECONDS), _nothing)

    await each(world, attack)


@case("slow bodies", "a body is complete within 30 s, or cut", slow=True)
async def send_slow_bodies(world: World) -> None:
    """Send a byte of the body every half second."""

    async def attack(streams: Streams) -> None:
        async def send() -> None:
            streams[1].write(b" ")
            await streams[1].drain()

        head = request("POST", "/graphql", _POST | {"Content-Length": "100000"})
        streams[1].write(head)
        await until_cut(streams, _allowance(world, _BODY_SECONDS), send)

    await each(world, attack)


@case("unread answers", "an answer that is not read is dropped after 30 s", slow=True)
async def read_nothing(world: World) -> None:
    """Ask for large answers again and again on a connection, and read none of them."""

    async def attack(streams: Streams) -> None:
        _, writer = streams
        body = request("GET", "/openapi.json", {"Connection": "keep-alive"})
        # The buffers of both sides are full before an answer is unread.
        limit = _allowance(world, _UNREAD_SECONDS) + world.patience(9)
        began = time.monotonic()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(limit + 1):
                while True:
                    writer.write(body)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        seconds = time.monotonic() - began
        expect(seconds < limit, f"the connection is open after {seconds:.0f} s")

    await each(world, attack, 5)


@case("silent WebSockets", "a WebSocket without a credential is cut within 15 s", slow=True)
async def say_nothing_on_sockets(world: World) -> None:
    """Open sockets that say nothing, and sockets without a credential that ask for the schema."""

    async def silent(streams: Streams) -> None:
        expect(await open_socket(streams) == 101, "no WebSocket")
        await until_cut(streams, _allowance(world, _HEAD_SECONDS), _nothing)

    async def anonymous(streams: Streams) -> None:
        expect(await open_socket(streams) == 101, "no WebSocket")
        streams[1].write(message(type="connection_init"))

        async def ping() -> None:
            streams[1].write(message(type="ping"))
            await streams[1].drain()

        await until_cut(streams, _allowance(world, _ANONYMOUS_SECONDS), ping)

    await asyncio.gather(each(world, silent), each(world, anonymous))


@case(
    "unread WebSockets",
    "a WebSocket that reads nothing is cut within 33 s, and its queue is bounded",
    slow=True,
)
async def read_nothing_on_sockets(world: World) -> None:
    """Ask again and again on a socket, and read nothing."""

    async def attack(streams: Streams) -> None:
        _, writer = streams
        expect(await open_socket(streams) == 101, "no WebSocket")
        writer.write(message(type="connection_init", payload={"authorization": f"Bearer {world.key}"}))
        # Answers of 100 KB: the buffers of both sides, some 4 MB, must be full before an answer is unread.
        aliases = " ".join(f"d{number}: description" for number in range(8))
        query = {"query": f"{{ __schema {{ types {{ name {aliases} }} }} }}"}
        limit = _allowance(world, _UNREAD_SECONDS) + world.patience(9)
        began = time.monotonic()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(limit + 1):
                number = 0
                while True:
                    number += 1
                    writer.write(message(id=str(number), type="subscribe", payload=query))
                    await writer.drain()
                    await asyncio.sleep(0.01)
        seconds = time.monotonic() - began
        expect(seconds < limit, f"the socket is open after {seconds:.0f} s")

    await each(world, attack, 5)


@case(
    "400 connections of one address",
    "an address has at most 100 connections; the others get 429",
    Limits(files=130, memory_bytes=32 * MIB),
)
async def connect_often(world: World) -> None:
    """Open 400 connections and count those that are admitted."""
    async with AsyncExitStack() as opened:
        everything = [await opened.enter_async_context(connection(world.port)) for _ in range(_MANY)]
        refused = sum(await asyncio.gather(*(_is_refused(reader) for reader, _ in everything)))
        expect(_MANY - refused <= 101, f"{_MANY - refused} connections of one address are open")


@case("WebSocket: frames that are malformed", "a malformed frame closes its socket and nothing else")
async def send_frames(world: World) -> None:
    """Send frames that break the protocol."""
    bad = [
        frame(b"\xff\xfe"),
        frame(b"x" * 70_000),
        frame(b"", 0),
        frame(b"x", 3),
        frame(b"x" * 126, 9),
        frame(b"[" * 50_000),
        frame(b'{"type":"connection_init","payload":' + b"[" * 20_000),
        frame(b'{"type":"subscribe","id":"' + b"x" * 60_000 + b'"}'),
        frame(b'{"type":"connection_init"}', 2),
        b"\x81\x05hello",  # without a mask
        b"\xc1\x80\0\0\0\0",  # compressed, without negotiation
        b"\x81\xff" + b"\xff" * 12,  # a length of 2**64
        frame(b"x", 1, final=False) + frame(b"", 0, final=False) * 20_000,
        frame(b"", 9) * 20_000 + frame(b"", 3),
    ]

    async with AsyncExitStack() as opened:
        everything = []
        # One after the other, so that their costs do not add up; the deadlines pass concurrently.
        for data in bad:
            streams = await opened.enter_async_context(connection(world.port))
            expect(await open_socket(streams) == 101, "no WebSocket")
            with suppress(ConnectionError):
                streams[1].write(data)
                await streams[1].drain()
            everything.append(streams)
        await asyncio.gather(
            *(until_cut(streams, _allowance(world, _HEAD_SECONDS), _nothing) for streams in everything)
        )


@case("WebSocket: 2,000 operations", "a socket has at most 100 operations")
async def subscribe_often(world: World) -> None:
    """Start subscriptions on one socket until it is refused."""
    query = {"query": "subscription($id: ID!) { messageAdded(conversationId: $id) { message { id } } }"}
    payload = query | {"variables": {"id": world.conversation}}
    async with connection(world.port) as streams:
        expect(await open_socket(streams) == 101, "no WebSocket")
        reader, writer = streams
        writer.write(message(type="connection_init", payload={"authorization": f"Bearer {world.widget}"}))
        for number in range(2_000):
            writer.write(message(id=str(number), type="subscribe", payload=payload))
        received = bytearray()
        async with asyncio.timeout(world.patience(30)):
            with suppress(ConnectionError):
                while data := await reader.read(65_536):
                    received += data
                    if received.count(_REFUSAL) >= 1_900:
                        break
        refused = received.count(_REFUSAL)
        # A server that closes the socket instead refuses all of them.
        expect(refused >= 1_900 or not data, f"{2_000 - refused} operations run")


@case("streams: 150 of one token", "streams that a caller opens in mass are bounded", Limits(files=130))
async def open_streams(world: World) -> None:
    """Open event streams until the address has no connection left."""
    body = (
        b'{"query":"subscription($id: ID!) { messageAdded(conversationId: $id) { message { id } } }",'
        b'"variables":{"id":"%b"}}' % world.conversation.encode()
    )
    head = {"Authorization": f"Bearer {world.widget}", "Accept": "text/event-stream", **_POST}
    async with AsyncExitStack() as opened:
        for _ in range(150):
            with suppress(ConnectionError):
                _, writer = await opened.enter_async_context(connection(world.port))
                writer.write(request("POST", "/graphql", head, body))
                await writer.drain()
        await asyncio.sleep(1)


async def _is_refused(reader: asyncio.StreamReader) -> bool:
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(1):
            return parse(await reader.read(1_000)).status in {429, 0}
    return False


async def _nothing() -> None:
    pass
