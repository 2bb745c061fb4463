"""Asking any of the serving processes, again and again until one answers."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any

import aiohttp

PATIENCE_SECONDS = 6.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
# What says nothing of the request itself: it may be asked again.
PASSING = {"INTERNAL", "RATE_LIMITED", "UNAVAILABLE"}


class RefusedError(Exception):
    """The API has decided: asking again would not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class NoAnswerError(Exception):
    """No process answered; the request may still have been executed."""


class Client:
    """A client of random processes of `urls`; `failures` counts why none answered."""

    def __init__(self, session: aiohttp.ClientSession, urls: Sequence[str], chance: Random) -> None:
        self.failures: Counter[str] = Counter()
        self.answers = 0
        self._session = session
        self._urls = urls
        self._chance = chance

    async def ask(self, token: str, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data, after as many tries as needed: the mutation must be idempotent.

        Raises RefusedError.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            with suppress(NoAnswerError):
                return await self.ask_once(token, query, **variables)
            await asyncio.sleep(self._chance.uniform(0.5, 1) * pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def ask_once(self, token: str, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data; raises RefusedError or NoAnswerError."""
        try:
            answer = await self._post(token, query, variables)
        except (OSError, TimeoutError, aiohttp.ClientError) as failure:
            raise self._no_answer(type(failure).__name__) from failure
        if "errors" not in answer:
            self.answers += 1
            data: dict[str, Any] = answer["data"]
            return data
        error = answer["errors"][0]
        code = str(error.get("extensions", {}).get("code"))
        if code in PASSING:
            raise self._no_answer(code)
        raise RefusedError(code, error["message"])

    async def _post(self, token: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(
            f"{self._chance.choice(self._urls)}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS),
        ) as response:
            if response.status >= 500:
                raise self._no_answer(f"HTTP {response.status}")
            result: dict[str, Any] = await response.json()
            return result

    def _no_answer(self, why: str) -> NoAnswerError:
        self.failures[why] += 1
        return NoAnswerError(why)


def session() -> aiohttp.ClientSession:
    """Keep no connection, so that every request may reach another process."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
