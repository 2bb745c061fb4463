"""Bursts: far more callers of one process than it can serve."""

import asyncio
from collections import Counter
from contextlib import suppress

import aiohttp

from chaos.client import session

CALLERS = 200
ANSWER_SECONDS = 10.0
_LIST = """{ conversations(first: 50) { totalCount nodes { id messages(last: 20) { nodes { content } }
    escalations(first: 5) { nodes { id triggers { trigger } } } } } }"""


async def burst(url: str, api_key: str, seconds: float) -> Counter[int]:
    """Call for some seconds from many connections, and return the answers by their status."""
    answered: Counter[int] = Counter()
    async with session() as http, asyncio.timeout(seconds + ANSWER_SECONDS), asyncio.TaskGroup() as group:
        end = asyncio.get_running_loop().time() + seconds
        for _ in range(CALLERS):
            group.create_task(_call(http, url, api_key, end, answered))
    return answered


async def _call(
    http: aiohttp.ClientSession, url: str, api_key: str, end: float, answered: Counter[int]
) -> None:
    headers = {"authorization": f"Bearer {api_key}"}
    timeout = aiohttp.ClientTimeout(ANSWER_SECONDS)
    while asyncio.get_running_loop().time() < end:
        with suppress(OSError, TimeoutError, aiohttp.ClientError):
            async with http.post(
                f"{url}/graphql", json={"query": _LIST}, headers=headers, timeout=timeout
            ) as answer:
                await answer.read()
                answered[answer.status] += 1
