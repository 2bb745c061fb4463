"""The control port, over which the client requests publications."""

import asyncio
from collections.abc import Awaitable, Callable

from bench.server_under_test import HOST

CONTENT = "t={stamp} The payment failed twice, please call back."

Publish = Callable[[list[str]], Awaitable[None]]


async def take_orders(port: int, publish: Publish) -> None:
    """Serve the port until the client goes.

    A line "K STAMP" has `publish` called with the contents of K messages, which bear the stamp. Orders are
    carried out one after the other.
    """
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            events, _, stamp = line.decode().strip().partition(" ")
            await publish([CONTENT.format(stamp=stamp)] * int(events))
        writer.close()
        over.set()

    async with await asyncio.start_server(serve, HOST, port):
        await over.wait()
