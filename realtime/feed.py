"""
The live feed: each process reads each followed stream of the log once and hands it to all who follow.

Positions carry the guarantee. A follower that missed entries (its queue overflowed, the database was away)
sees a gap in the positions and reads it from the log, so wake-ups may be lost, doubled or late.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from models.database import DATABASE_ERRORS, Database
from realtime import log
from realtime.cursor import StaleCursorError, StreamPosition
from realtime.log import Entry
from realtime.pubsub import Typing, Wakeup

POLL_SECONDS = 2.0
QUEUE_LIMIT = 1_000

_logger = structlog.get_logger(__name__)


class _Reader:
    """The bounded queue of one who follows. When it overflows it is emptied: the gap is read from the log."""

    def __init__(self) -> None:
        self._waiting: deque[Entry | Typing] = deque()
        self._filled = asyncio.Event()

    def push(self, item: Entry | Typing) -> None:
        if len(self._waiting) >= QUEUE_LIMIT:
            if isinstance(item, Typing):
                return  # it leaves no gap to be seen
            self._waiting.clear()
        self._waiting.append(item)
        self._filled.set()

    async def next(self) -> list[Entry | Typing]:
        """Whatever waits, at least one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        found = list(self._waiting)
        self._waiting.clear()
        return found


class _Stream:
    """A followed stream: its readers, how far it was read, and whether there may be more."""

    def __init__(self, stream: UUID, position: int) -> None:
        self.id = stream
        self.position = position
        self.readers: set[_Reader] = set()
        self.rung = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Feed:
    """
    The streams that this process follows.

    Its `database` is for what live events are made of, too: it waits for no request.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._streams: dict[UUID, _Stream] = {}
        self._listeners: dict[UUID, asyncio.Event] = {}

    def listen(self, stream: UUID, rung: asyncio.Event) -> None:
        """Has `rung` set whenever the bell rings for a stream that nobody follows entry by entry."""
        self._listeners[stream] = rung

    def wake(self, wakeup: Wakeup) -> None:
        """The stream may have come to a position; called by the bell and after the process's own acts."""
        stream = self._streams.get(wakeup.stream)
        if stream and wakeup.position > stream.position:
            stream.rung.set()
        if rung := self._listeners.get(wakeup.stream):
            rung.set()

    def wake_all(self) -> None:
        """Every stream is looked at again, as after a time without a bell."""
        for stream in self._streams.values():
            stream.rung.set()

    def publish_typing(self, typing: Typing) -> None:
        """Passes a typing signal to those who follow its conversation."""
        if stream := self._streams.get(typing.conversation):
            for reader in stream.readers:
                reader.push(typing)

    async def run(self) -> None:
        """Looks at the heads every 2 s, so that everything arrives without any bell. Runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._streams:
                continue
            try:
                heads = await log.heads(self.database, list(self._streams))
            except DATABASE_ERRORS as error:
                _logger.warning("feed.poll_failed", error=type(error).__name__)
                continue
            for head in heads:
                self.wake(Wakeup(head.stream, head.position))

    async def follow(self, place: StreamPosition) -> AsyncGenerator[list[Entry | Typing], None]:
        """
        Everything behind `place`, in order, once, and on without end; what is there at once comes together.

        Typing signals come in between. Nothing of the database is held while waiting.
        """
        after = place.after
        with self._reader(place) as reader:
            while True:
                async for page in self._read(place.stream, after):
                    after = page[-1].position
                    yield list(page)
                gap = False
                while not gap:
                    fresh: list[Entry | Typing] = []
                    for item in await reader.next():
                        if isinstance(item, Typing):
                            fresh.append(item)
                        elif item.position == after + 1:
                            after = item.position
                            fresh.append(item)
                        elif item.position > after:
                            gap = True
                            break
                    if fresh:
                        yield fresh

    async def page(self, stream: UUID, after: int, until: int) -> list[Entry]:
        """
        What stands in a stream behind a position, up to a later one: a page at most.

        Raises StaleCursorError when some of it is there no longer: positions have no gaps.
        """
        found = await self._page(stream, after)
        if not found or found[0].position != after + 1 or found[-1].position != after + len(found):
            raise StaleCursorError
        return [entry for entry in found if entry.position <= until]

    async def _read(self, stream: UUID, after: int) -> AsyncGenerator[list[Entry], None]:
        while page := await self._page(stream, after):
            yield page
            after = page[-1].position
            if len(page) < log.PAGE:
                return

    @contextmanager
    def _reader(self, place: StreamPosition) -> Iterator[_Reader]:
        stream = self._streams.get(place.stream)
        if stream is None:
            stream = self._streams[place.stream] = _Stream(place.stream, place.head)
            stream.task = asyncio.create_task(self._pump(stream))
        reader = _Reader()
        stream.readers.add(reader)
        try:
            yield reader
        finally:
            stream.readers.discard(reader)
            if not stream.readers:
                del self._streams[place.stream]
                assert stream.task is not None
                stream.task.cancel()

    async def _pump(self, stream: _Stream) -> None:
        while True:
            await stream.rung.wait()
            stream.rung.clear()
            async for page in self._read(stream.id, stream.position):
                stream.position = page[-1].position
                for reader in stream.readers:
                    for entry in page:
                        reader.push(entry)

    async def _page(self, stream: UUID, after: int) -> list[Entry]:
        # A database that is away for a while must not end what somebody follows.
        while True:
            try:
                return await log.read_page(self.database, stream, after)
            except DATABASE_ERRORS as error:
                _logger.warning("feed.read_failed", stream=str(stream), error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)
