"""A send queue: order, bounds, and the client that reads nothing."""

import asyncio
from collections.abc import Callable
from functools import partial
from unittest.mock import Mock

import pytest

from server.graphql.send_queue import FRAMES, PIECE, SendQueue
from tests.support.baton_client import DEADLINE

pytestmark = pytest.mark.anyio


class Line:
    """A writer whose client reads when the test says so."""

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.sent: list[bytes] = []
        self.writable = True
        self.unread_bytes = 0
        self.most = 10**9  # unread bytes from which on it is not writable

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self.unread_bytes += len(data)
        if self.unread_bytes >= self.most:
            self.block()

    def block(self) -> None:
        self.writable = False
        self.on_change()

    def read_on(self) -> None:
        self.unread_bytes = 0
        self.writable = True
        self.on_change()


def queued(timeout: float = 60) -> tuple[Line, SendQueue, asyncio.Event]:
    line, stalled = Line(), asyncio.Event()
    return line, SendQueue(line, timeout, stalled.set), stalled


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sender_that_waits_for_room_is_not_overtaken() -> None:
    line, queue, _ = queued()
    line.block()
    while queue.try_send(b"a"):
        pass
    waits = asyncio.create_task(queue.send(b"b"))
    await settled()
    assert not waits.done()
    line.read_on()
    await waits
    assert queue.try_send(b"c")
    assert b"".join(line.sent) == b"a" * FRAMES + b"bc"


async def test_queued_bytes_are_written_in_pieces_as_the_client_reads() -> None:
    line, queue, _ = queued()
    line.block()
    frames = [bytes([65 + number]) * 40_000 for number in range(20)]
    for frame in frames:
        queue.send_last(frame)
    line.most = 60_000
    for _ in range(20):
        assert line.unread_bytes < 2 * PIECE
        line.read_on()
    assert b"".join(line.sent) == b"".join(frames)
    assert queue.try_send(b"more")
    assert line.sent[-1] == b"more"


async def test_larger_item_than_the_queue_holds_is_sent_when_it_is_the_only_one() -> None:
    line, queue, _ = queued()
    line.block()
    large = b"x" * 5_000_000
    assert queue.try_send(large)
    assert not queue.try_send(b"y")
    line.read_on()
    assert line.sent == [large]


async def test_client_that_does_not_read_leaves_no_room() -> None:
    line, queue, _ = queued()
    await queue.wait_for_space()
    line.block()
    while queue.try_send(b"a"):
        pass
    waits = asyncio.create_task(queue.wait_for_space())
    await settled()
    assert not waits.done()
    line.read_on()
    await waits


async def test_frames_of_a_discarded_operation_are_not_sent_and_make_room() -> None:
    line, queue, _ = queued()
    line.block()
    assert queue.try_send(b"a", "one")
    while queue.try_send(b"b", "two"):
        pass
    queue.discard("two")
    assert queue.try_send(b"c", "three")
    line.read_on()
    assert b"".join(line.sent) == b"ac"


async def test_sender_can_wait_until_everything_is_written() -> None:
    line, queue, _ = queued()
    await queue.wait_until_sent()
    line.block()
    queue.try_send(b"a")
    waits = asyncio.create_task(queue.wait_until_sent())
    await settled()
    assert not waits.done()
    line.most = 1
    line.read_on()  # the writer takes the bytes, and is blocked by them
    await settled()
    assert not waits.done()
    line.most = 10
    line.read_on()
    await waits


async def test_client_that_reads_nothing_is_stalled() -> None:
    line, _, stalled = queued(timeout=0.01)
    line.unread_bytes = 1_000
    line.block()
    await asyncio.wait_for(stalled.wait(), DEADLINE)


class SlowLine(Line):
    """A writer whose client has read some whenever one looks."""

    def __init__(self) -> None:
        self.left, self.looked, self.looked_often = 1_000, 0, asyncio.Event()
        super().__init__()

    @property
    def unread_bytes(self) -> int:
        self.left -= 1
        self.looked += 1
        if self.looked == 4:
            self.looked_often.set()
        return self.left

    @unread_bytes.setter
    def unread_bytes(self, left: int) -> None:
        pass


async def test_client_that_reads_slowly_is_not_stalled() -> None:
    line, stalled = SlowLine(), asyncio.Event()
    SendQueue(line, 0.01, stalled.set)
    line.block()
    await asyncio.wait_for(line.looked_often.wait(), DEADLINE)
    assert not stalled.is_set()


class Clock:
    """An event loop that runs one timer after the other, without waiting for them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timer: tuple[float, Callable[[], None]] | None = None

    def call_later(self, seconds: float, act: Callable[..., None], *given: object) -> Mock:
        self.timer = (self.now + seconds, partial(act, *given))
        return Mock()

    def run(self) -> None:
        while self.timer:
            (self.now, act), self.timer = self.timer, None
            act()


def test_client_that_stops_reading_is_stalled_a_tenth_after_its_timeout_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, line, stalled = Clock(), Line(), Mock()
    monkeypatch.setattr("server.graphql.send_queue.asyncio.get_running_loop", lambda: clock)
    SendQueue(line, 30, stalled)
    line.unread_bytes = 1_000
    line.block()
    # What its system still takes after the look that begins the timeout is no reason to wait twice as long.
    line.unread_bytes = 999
    clock.run()
    stalled.assert_called_once()
    assert 30 <= clock.now <= 33.001


async def test_client_that_has_read_everything_is_not_stalled_by_a_late_writer() -> None:
    line, queue, stalled = queued(timeout=0.01)
    line.block()
    assert queue.try_send(b"a")
    await asyncio.sleep(0.05)
    assert not stalled.is_set()
    line.read_on()
    assert line.sent == [b"a"]


async def test_closed_queue_writes_nothing_and_stalls_nobody() -> None:
    line, queue, stalled = queued(timeout=0.01)
    line.unread_bytes = 1_000
    line.block()
    queue.send_last(b"waits")
    queue.close()
    line.read_on()
    queue.send_last(b"late")
    await asyncio.sleep(0.03)
    assert line.sent == []
    assert not stalled.is_set()
