"""Pub/sub: wake-ups for the followers in every process, and typing signals.

A wake-up only carries the position of a stream; followers read the log from PostgreSQL. A lost, doubled or
late wake-up affects latency only. The transport is broadcaster, over Redis or PostgreSQL.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import orjson
import structlog
from broadcaster import Broadcast, Event

CHANNEL = "baton"
SCHEMES = ("redis", "rediss", "postgres", "postgresql")

# NOTIFY carries less than 8,000 bytes: 60 wake-ups of 84 and 8 typing signals of 256 stay below 7,500.
WAKEUPS_PER_MESSAGE = 60
TYPINGS_PER_MESSAGE = 8
TYPING_BYTES = 255

STREAMS_WAITING, TYPINGS_WAITING = 10_000, 256
# After so many own canaries and nothing from another process, there is none that listens.
CANARIES_WITHOUT_OTHERS = 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 5.0

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Wakeup:
    """A wake-up: a stream of the log has reached a position."""

    stream: UUID
    position: int


@dataclass(frozen=True)
class Typing:
    """A typing signal: a participant of a conversation started or stopped typing. It may be lost.

    `role` is USER, ASSISTANT or HUMAN. `actor` is an opaque id, which keeps the signal from its sender.
    """

    conversation: UUID
    role: str
    actor: str
    typing: bool


@dataclass(frozen=True)
class _Message:
    """The content of one publication of a process."""

    sender: str
    canary: bool
    wakeups: list[Wakeup]
    typings: list[Typing]

    def encode(self) -> str:
        # asyncpg has a UUID of its own, which orjson does not know.
        return orjson.dumps(self, default=str).decode()

    @classmethod
    def decode(cls, text: str) -> "_Message":
        """Decode a message; raises ValueError for a malformed one."""
        try:
            fields = orjson.loads(text)
            wakeups = [
                Wakeup(UUID(wakeup["stream"]), int(wakeup["position"])) for wakeup in fields["wakeups"]
            ]
            typings = [
                Typing(
                    UUID(typing["conversation"]),
                    str(typing["role"]),
                    str(typing["actor"]),
                    bool(typing["typing"]),
                )
                for typing in fields["typings"]
            ]
            return cls(str(fields["sender"]), bool(fields["canary"]), wakeups, typings)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"not a pub/sub message: {error!r}") from error


class PubSub:
    """Pub/sub between all processes that share `url`.

    Its callbacks run in the event loop and must be quick; its methods must be called there too. A process's
    own signals reach its callbacks immediately, without the network. They are published unless there is no
    other process: each sends canaries, and after four periods without one, none is left to receive them.

    `url` is redis://, rediss:// or postgresql:// in asyncpg's form; others raise ValueError. Every
    `canary_seconds` it publishes a canary to itself. `on_recover` is called when a rebuilt connection first
    receives one: wake-ups may have been lost, so every follower should read the log.
    """

    def __init__(
        self,
        url: str,
        *,
        on_wakeup: Callable[[Wakeup], None],
        on_typing: Callable[[Typing], None],
        on_recover: Callable[[], None],
        canary_seconds: float = 3.0,
    ) -> None:
        if urlsplit(url).scheme not in SCHEMES:
            raise ValueError(f"the pub/sub URL must begin with one of {', '.join(SCHEMES)}")
        self._url = url
        self._on_wakeup = on_wakeup
        self._on_typing = on_typing
        self._on_recover = on_recover
        self._canary_seconds = canary_seconds
        self._silence_seconds = 3 * canary_seconds
        self._name = uuid4().hex
        self._wakeups: dict[UUID, int] = {}
        self._typings: deque[Typing] = deque(maxlen=TYPINGS_WAITING)
        self._canary_due = True
        self._canaries_without_others = 0
        self._due = asyncio.Event()
        self._failures = 0
        self._failure = "silence"
        self._canary_at = time.monotonic()
        self._reported_stalled = False

    @property
    def stalled(self) -> bool:
        """True when no own canary arrived for three periods; the first is counted from the start."""
        return time.monotonic() - self._canary_at > self._silence_seconds

    @property
    def _has_receivers(self) -> bool:
        return self._canaries_without_others < CANARIES_WITHOUT_OTHERS

    def publish_wakeup(self, wakeup: Wakeup) -> None:
        """Wake a stream's followers, in this process immediately; never blocks, never raises."""
        _call(self._on_wakeup, wakeup)
        if self._has_receivers:
            self._keep(wakeup)
            self._due.set()

    def publish_typing(self, typing: Typing) -> None:
        """Publish a typing signal, in this process immediately; a full queue drops the oldest."""
        _call(self._on_typing, typing)
        if not self._has_receivers:
            return
        if not _fits(typing):
            _logger.debug("pubsub.typing_too_long", conversation=typing.conversation)
            return
        self._typings.append(typing)
        self._due.set()

    async def run(self) -> None:
        """Stay connected until cancelled; a lost connection is rebuilt, with pauses of up to 5 s."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat())
            group.create_task(self._stay_connected())

    async def _beat(self) -> None:
        while True:
            self._send_canary()
            if self.stalled and not self._reported_stalled:
                self._reported_stalled = True
                _logger.warning("pubsub.stalled", silent_seconds=self._silent_seconds(), reason=self._failure)
            await asyncio.sleep(self._canary_seconds)

    async def _stay_connected(self) -> None:
        while True:
            try:
                await self._connection()
            except Exception as error:
                self._failure = _reason(error)  # the error itself would keep the dead connection in memory
                _logger.debug("pubsub.connection_lost", failures=self._failures, error=self._failure)
            # Another process may begin while its canaries cannot arrive.
            self._canaries_without_others = 0
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS)
            self._failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _connection(self) -> None:
        """Hear and publish over one connection, until it breaks or is silent."""
        async with self._connected() as (broadcast, next_event), asyncio.TaskGroup() as group:
            self._send_canary()
            group.create_task(self._publish(broadcast))
            await self._listen(next_event)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Broadcast, Callable[[], Awaitable[Event]]]]:
        broadcast = Broadcast(self._url)
        subscription = broadcast.subscribe(CHANNEL)
        async with AsyncExitStack() as closing:
            closing.callback(_forget_reader, broadcast)
            closing.push_async_callback(self._close, broadcast.disconnect)
            async with asyncio.timeout(self._silence_seconds):
                await broadcast.connect()
                subscriber = await subscription.__aenter__()
                closing.push_async_callback(self._close, partial(subscription.__aexit__, None, None, None))
            yield broadcast, subscriber.get

    async def _close(self, step: Callable[[], Awaitable[object]]) -> None:
        """Run one step of closing, which a dead connection may refuse or never answer."""
        try:
            async with asyncio.timeout(self._canary_seconds):
                await step()
        except Exception as error:
            _logger.debug("pubsub.close_failed", error=_reason(error))

    async def _listen(self, next_event: Callable[[], Awaitable[Event]]) -> None:
        """Dispatch messages; raises TimeoutError after three periods without an own canary."""
        clock = asyncio.get_running_loop().time
        async with asyncio.timeout(self._silence_seconds) as silence:
            while True:
                event = await next_event()
                if self._dispatch(event.message):
                    self._received_canary()
                    silence.reschedule(clock() + self._silence_seconds)

    def _dispatch(self, text: str) -> bool:
        """Dispatch one message and return whether it is an own canary."""
        try:
            message = _Message.decode(text)
        except ValueError as error:
            _logger.debug("pubsub.malformed", error=repr(error))
            return False
        if message.sender == self._name:
            return message.canary
        self._canaries_without_others = 0
        for wakeup in message.wakeups:
            _call(self._on_wakeup, wakeup)
        for typing in message.typings:
            _call(self._on_typing, typing)
        return False

    def _received_canary(self) -> None:
        self._canaries_without_others += 1
        if self._reported_stalled:
            self._reported_stalled = False
            _logger.info("pubsub.recovered", silent_seconds=self._silent_seconds())
        self._canary_at = time.monotonic()
        if self._failures:
            self._failures, self._failure = 0, "silence"
            _call(self._on_recover)

    async def _publish(self, broadcast: Broadcast) -> None:
        """Publish the waiting items one message at a time: broadcaster's PostgreSQL needs that."""
        # No timeout of its own: a publication that hangs holds back the canary, and `_listen` ends both.
        while not _cancelled():
            await self._due.wait()
            message = self._next_message()
            text = message.encode()
            try:
                await broadcast.publish(CHANNEL, text)
            except BaseException:
                for wakeup in message.wakeups:
                    self._keep(wakeup)
                raise

    def _next_message(self) -> _Message:
        first = list(islice(self._wakeups, WAKEUPS_PER_MESSAGE))
        wakeups = [Wakeup(stream, self._wakeups.pop(stream)) for stream in first]
        typings = [self._typings.popleft() for _ in range(min(len(self._typings), TYPINGS_PER_MESSAGE))]
        message = _Message(self._name, self._canary_due, wakeups, typings)
        self._canary_due = False
        if not (self._wakeups or self._typings):
            self._due.clear()
        return message

    def _keep(self, wakeup: Wakeup) -> None:
        """Queue a wake-up: the highest position per stream; too many streams drop the oldest."""
        self._wakeups[wakeup.stream] = max(wakeup.position, self._wakeups.get(wakeup.stream, 0))
        if len(self._wakeups) > STREAMS_WAITING:
            del self._wakeups[next(iter(self._wakeups))]

    def _send_canary(self) -> None:
        self._canary_due = True
        self._due.set()

    def _silent_seconds(self) -> float:
        return round(time.monotonic() - self._canary_at, 1)


def _fits(typing: Typing) -> bool:
    try:
        return len(orjson.dumps(typing, default=str)) <= TYPING_BYTES
    except orjson.JSONEncodeError:
        return False


def _call(callback: Callable[..., None], *arguments: object) -> None:
    """Call a callback; its failure must end neither the caller's transaction nor the connection."""
    try:
        callback(*arguments)
    except Exception:
        _logger.exception("pubsub.callback_failed")


def _cancelled() -> bool:
    """Return whether the task was cancelled: redis-py may swallow that in Python 3.11's `wait_for`."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: Exception) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _forget_reader(broadcast: Broadcast) -> None:
    """End broadcaster's Redis reader; a failed connect or close leaves it running."""
    reader = getattr(broadcast._backend, "_listener", None)
    if isinstance(reader, asyncio.Task):
        reader.cancel()  # keeps asyncio from logging its unretrieved exception
