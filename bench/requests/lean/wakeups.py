"""Wake-ups that wait are published together, one publication at a time, as Baton does."""

import asyncio
from itertools import islice
from uuid import UUID

import asyncpg
import orjson

from bench.requests.lean.statements import NOTIFY
from realtime.pubsub import WAKEUPS_PER_MESSAGE


class Wakeups:
    """The wake-ups of a process, on a connection of their own."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._waiting: dict[UUID, int] = {}
        self._publishing: asyncio.Task[None] | None = None

    def add(self, stream: UUID, position: int) -> None:
        """Publish that a stream has reached a position."""
        self._waiting[stream] = position
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while self._waiting:
            streams = list(islice(self._waiting, WAKEUPS_PER_MESSAGE))
            some = [{"stream": str(item), "position": self._waiting.pop(item)} for item in streams]
            await self._connection.fetchval(NOTIFY, orjson.dumps(some).decode())
