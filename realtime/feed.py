"""The live feed: each process reads each followed stream of the log once, for all of its followers.

Positions carry the guarantee. A follower that missed entries sees a gap in the positions and reads it from
the log. So wake-ups may be lost, doubled or late.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import structlog
from prometheus_client import Histogram

from models.database import DATABASE_ERRORS, Database
from realtime import log
from realtime.cursor import StaleCursorError, StreamPosition
from realtime.flag import Flag
from realtime.log import Entry
from realtime.pubsub import Typing, Wakeup

POLL_SECONDS = 2.0
QUEUE_LIMIT = 1_000
# A participant who sends no further signal within it has stopped typing.
TYPING_SECONDS = 10.0

FEED_LAG = Histogram(
    "baton_feed_lag_seconds",
    "Time from an event, by the database's clock, until this process has read it for its followers.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ViewerChange:
    """A team member has opened a conversation, or has it no longer open. It may come twice."""

    conversation: UUID
    member: UUID
    viewing: bool


# What followers receive without a position in the log.
Signal = Typing | ViewerChange


class _Reader:
    """The bounded queue of a follower. An overflow empties it: the gap is then read from the log."""

    __slots__ = ("_filled", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Entry | Signal] = []
        self._filled = Flag()

    def push(self, item: Entry | Signal) -> None:
        if len(self._waiting) >= QUEUE_LIMIT:
            if not isinstance(item, Entry):
                return  # a lost signal leaves no gap in the positions
            self._waiting.clear()
        self._waiting.append(item)
        self._filled.set()

    async def next(self) -> list[Entry | Signal]:
        """Wait for items and return all of them, at least one."""
        while not self._waiting:
            await self._filled.take()
        items, self._waiting = self._waiting, []
        return items


class _Stream:
    """A followed stream: its readers, the position read so far, and whether there may be more."""

    __slots__ = ("_typists", "_viewers", "id", "position", "readers", "task", "woken")

    def __init__(self, stream: UUID, position: int) -> None:
        self.id = stream
        self.position = position
        self.readers: set[_Reader] = set()
        self.woken = Flag()
        self.task: asyncio.Task[None] | None = None
        self._typists: dict[Typing, asyncio.TimerHandle] = {}
        self._viewers: Mapping[UUID, bool] = {}

    def push_typing(self, typing: Typing) -> None:
        """Push a typing signal to the readers; a started one ends by itself after TYPING_SECONDS."""
        started = replace(typing, typing=True)
        if timer := self._typists.pop(started, None):
            timer.cancel()
        if typing.typing:
            loop = asyncio.get_running_loop()
            self._typists[started] = loop.call_later(TYPING_SECONDS, self._stop_typing, started)
        for reader in self.readers:
            reader.push(typing)

    def show_viewers(self, viewers: Mapping[UUID, bool]) -> None:
        """Push the members whose view began or ended; a view that is missing has ended."""
        missing = {member: False for member, viewing in self._viewers.items() if viewing}
        for member, viewing in (missing | dict(viewers)).items():
            if self._viewers.get(member) is not viewing:
                for reader in self.readers:
                    reader.push(ViewerChange(self.id, member, viewing))
        self._viewers = viewers

    def push(self, entry: Entry) -> None:
        """Push an entry to the readers; a message ends the typing of its author."""
        for reader in self.readers:
            reader.push(entry)
        if self._typists and entry.type == "message.added":
            for started in [typist for typist in self._typists if _is_author(typist, entry)]:
                self._stop_typing(started)

    def _stop_typing(self, started: Typing) -> None:
        self.push_typing(replace(started, typing=False))

    def close(self) -> None:
        """End the timers of typing signals and the reading of the log."""
        for timer in self._typists.values():
            timer.cancel()
        if self.task is not None:
            self.task.cancel()
            # Task and stream refer to each other, and would wait for the garbage collector.
            self.task = None


class Feed:
    """The streams that this process follows, read through a pool that no request uses."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._streams: dict[UUID, _Stream] = {}
        self._listeners: dict[UUID, asyncio.Event] = {}

    def listen(self, stream: UUID, woken: asyncio.Event) -> None:
        """Set `woken` at every wake-up of a stream, without following its entries."""
        self._listeners[stream] = woken

    def wake(self, wakeup: Wakeup) -> None:
        """Read the stream if it is not yet at the wake-up's position."""
        stream = self._streams.get(wakeup.stream)
        if stream and wakeup.position > stream.position:
            stream.woken.set()
        if woken := self._listeners.get(wakeup.stream):
            woken.set()

    def wake_all(self) -> None:
        """Read every stream again, as after a time without pub/sub."""
        for stream in self._streams.values():
            stream.woken.set()

    def publish_typing(self, typing: Typing) -> None:
        """Push a typing signal to the followers of its conversation."""
        if stream := self._streams.get(typing.conversation):
            stream.push_typing(typing)

    @property
    def followed(self) -> bool:
        """True if anything is followed."""
        return bool(self._streams)

    def show_viewers(self, viewers: Mapping[UUID, Mapping[UUID, bool]]) -> None:
        """Push what has changed among the viewers of the conversations that are followed."""
        for stream in self._streams.values():
            stream.show_viewers(viewers.get(stream.id, {}))

    async def run(self) -> None:
        """Poll the heads every 2 s until cancelled: everything arrives even without pub/sub."""
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

    async def follow(self, place: StreamPosition) -> AsyncGenerator[list[Entry | Signal], None]:
        """Yield entries after `place` forever, each once and in order, in batches.

        Signals come in between. No connection is held while waiting.
        """
        after = place.after
        with self._reader(place) as reader:
            while True:
                async for page in self._read(place.stream, after):
                    after = page[-1].position
                    yield list(page)
                gap = False
                while not gap:
                    fresh: list[Entry | Signal] = []
                    for item in await reader.next():
                        if not isinstance(item, Entry):
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
        """Return at most a page of a stream's entries after position `after`, up to `until`.

        Raises StaleCursorError when some were purged: positions have no gaps.
        """
        entries = await self._page(stream, after)
        if not entries or entries[0].position != after + 1 or entries[-1].position != after + len(entries):
            raise StaleCursorError
        return [entry for entry in entries if entry.position <= until]

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
                stream.close()

    async def _pump(self, stream: _Stream) -> None:
        while True:
            await stream.woken.take()
            async for page in self._read(stream.id, stream.position):
                stream.position = page[-1].position
                FEED_LAG.observe(max((datetime.now(UTC) - page[0].occurred_at).total_seconds(), 0))
                for entry in page:
                    stream.push(entry)

    async def _page(self, stream: UUID, after: int) -> list[Entry]:
        # An unreachable database must not end a subscription.
        while True:
            try:
                return await log.read_page(self.database, stream, after)
            except DATABASE_ERRORS as error:
                _logger.warning("feed.read_failed", stream=str(stream), error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)


def _is_author(typist: Typing, entry: Entry) -> bool:
    """Return whether the message is by the typing participant. Only people have an author id."""
    return typist.role == entry.data.get("role") and entry.data.get("author") in (None, typist.actor)
