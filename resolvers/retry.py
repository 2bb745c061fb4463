"""Retries of reads while the database is unavailable."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from models.database import DatabaseUnavailableError

T = TypeVar("T")

RETRY_SECONDS, PAUSE_SECONDS = 60.0, 1.0


async def retry_while_unavailable(query: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `query`; while the database is unavailable, repeat it for up to a minute."""
    end = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return await query()
        except DatabaseUnavailableError:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
