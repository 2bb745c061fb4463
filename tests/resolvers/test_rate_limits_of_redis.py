"""Limits whose counts are in Redis, while the connections to it break."""

import asyncio
import shutil
from collections.abc import Iterator

import pytest
import uvloop

from chaos.proxy import Link
from resolvers.rate_limits import TYPING, RateLimiter
from tests.support.pubsub_backends import RedisServer, free_port
from tests.support.requirements import need

CALLERS = 8


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    need("redis-server", shutil.which("redis-server"))
    server = RedisServer(free_port())
    server.start()
    yield server
    server.kill()


async def counted_while_connections_are_reset(port: int) -> list[int]:
    link = Link("redis", lambda: asyncio.open_connection("127.0.0.1", port))
    await link.listen()
    limiter = RateLimiter(f"redis://127.0.0.1:{link.port}")
    assert await limiter.count(TYPING, "first") == 0
    counting = asyncio.gather(*(limiter.count(TYPING, str(number)) for number in range(CALLERS)))
    # The callers have begun to wait for their connections.
    await asyncio.sleep(0)
    link.cut()
    try:
        return await counting
    finally:
        await link.close()


def test_callers_whose_connections_are_reset_are_counted_by_the_process(redis: RedisServer) -> None:
    # A server runs in the loop of uvloop, whose connections fail in a way of their own.
    assert uvloop.run(counted_while_connections_are_reset(redis.port)) == [0] * CALLERS
