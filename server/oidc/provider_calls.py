"""Calls of the OpenID provider, bounded in time and bytes, and answers that are kept for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import aiohttp
import orjson

from notifications.network import network_error_text, no_answer_text, open_session
from realtime.single_flight import SingleFlight

T = TypeVar("T")

SECONDS = 5.0
ANSWER_BYTES = 262_144
KEEP_SECONDS = 3600.0
# While the provider does not answer, what it said before stays valid for this time.
STALE_SECONDS = 86_400.0
# Unknown keys lead to at most one request in this time.
RENEW_SECONDS = 60.0

_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "Baton"}


class ProviderError(Exception):
    """The provider cannot be used, or what it said is not valid. The message is for the log."""


async def fetch_json(
    url: str, *, form: str | None = None, headers: dict[str, str] | None = None, seconds: float = SECONDS
) -> dict[str, Any]:
    """Return the JSON object at a URL, by POST with a `form`; raises ProviderError."""
    try:
        async with asyncio.timeout(seconds):
            status, body = await _fetch(url, form, _HEADERS | (headers or {}))
    except TimeoutError:
        raise ProviderError(no_answer_text(seconds)) from None
    except ValueError:
        raise ProviderError("its metadata has an address that cannot be asked") from None
    except (aiohttp.ClientError, OSError) as error:
        raise ProviderError(network_error_text(error)) from error
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if status != 200:
        name = answer.get("error") if isinstance(answer, dict) else None
        raise ProviderError(f"HTTP {status}{f' {str(name)[:80]!r}' if name else ''}")
    if not isinstance(answer, dict):
        raise ProviderError("its answer is no JSON object")
    return answer


async def _fetch(url: str, form: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
    if form is not None:
        headers = headers | {"content-type": "application/x-www-form-urlencoded"}
    method = "GET" if form is None else "POST"
    async with (
        open_session() as session,
        session.request(method, url, data=form, headers=headers, allow_redirects=False) as answer,
    ):
        body = bytearray()
        async for chunk in answer.content.iter_any():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise ProviderError(f"its answer has more than {ANSWER_BYTES:,} bytes")
        return answer.status, bytes(body)


class KeptAnswer(Generic[T]):
    """An answer that is loaded when it is needed, and kept for an hour."""

    def __init__(self, load: Callable[[], Awaitable[T]]) -> None:
        self._load = load
        self._loads = SingleFlight[T]()
        self._value: T | None = None
        self._loaded_at = 0.0

    async def get(self) -> T:
        """Return the answer; raises ProviderError if it cannot be loaded and was not for a day."""
        age = time.monotonic() - self._loaded_at
        if self._value is not None and age < KEEP_SECONDS:
            return self._value
        try:
            return await self._loads.run("load", self._loaded)
        except ProviderError:
            if self._value is None or age > STALE_SECONDS:
                raise
            return self._value

    async def renewed(self) -> T:
        """Return an answer that is at most a minute old."""
        if self._value is not None and time.monotonic() - self._loaded_at < RENEW_SECONDS:
            return self._value
        return await self._loads.run("load", self._loaded)

    async def _loaded(self) -> T:
        value = await self._load()
        self._value, self._loaded_at = value, time.monotonic()
        return value
