"""Waiting until subscriptions are in place. The answer to a later query on their socket does not show it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from tests.support.baton_client import Server, wait_for

_OPEN = re.compile(r"^baton_subscriptions\{.*\} (\S+)$", re.MULTILINE)


def wait_for_subscriptions(server: Server, number: int) -> None:
    """Wait until the process has exactly this many subscriptions in place."""

    def reached() -> bool:
        text = httpx.get(f"{server.url}/metrics", trust_env=False, timeout=30).text
        return sum(map(float, _OPEN.findall(text))) == number

    wait_for(reached, f"{number} open subscriptions")


@asynccontextmanager
async def all_begun(server: Server, number: int, besides: int = 0) -> AsyncIterator[None]:
    """Wait until `number` subscriptions that are requested inside are in place.

    `besides` is the number of those that the test already has. Subscriptions of earlier tests end first, so
    that none of them is counted.
    """
    await asyncio.to_thread(wait_for_subscriptions, server, besides)
    yield
    await asyncio.to_thread(wait_for_subscriptions, server, besides + number)
