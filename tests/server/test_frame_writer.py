"""Frames go out in their order, however slowly they are taken; only one that takes nothing is stuck."""

import asyncio
from collections.abc import Callable

import pytest

from server.graphql.frame_writer import Wire
from server.graphql.send_queue import FRAMES

pytestmark = pytest.mark.anyio


class Line:
    """A connection whose other side reads when the test says so."""

    def __init__(self) -> None:
        self.on_turn: Callable[[], None] = lambda: None
        self.sent: list[bytes] = []
        self.blocked = False
        self.ended = False
        self.unread = 0
        self.most = 10**9  # bytes after which it is blocked

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self.unread += len(data)
        if self.unread >= self.most:
            self.block()

    def block(self) -> None:
        self.blocked = True
        self.on_turn()

    def read_on(self) -> None:
        self.unread = 0
        self.blocked = False
        self.on_turn()


def wired(patience: float = 60) -> tuple[Line, Wire, asyncio.Event]:
    line, stuck = Line(), asyncio.Event()
    return line, Wire(line, patience, stuck.set), stuck


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_waits_for_room_is_not_overtaken() -> None:
    line, wire, _ = wired()
    line.block()
    while wire.offer(b"a"):
        pass
    waits = asyncio.create_task(wire.put(b"b"))
    await settled()
    assert not waits.done()
    line.read_on()
    await waits
    assert wire.offer(b"c")
    assert b"".join(line.sent) == b"a" * FRAMES + b"bc"


async def test_what_waits_goes_out_in_pieces_as_they_are_taken() -> None:
    line, wire, _ = wired()
    line.block()
    frames = [bytes([65 + place]) * 40_000 for place in range(20)]
    for frame in frames:
        wire.add(frame)
    line.most = 60_000
    for _ in range(20):
        assert line.unread < 200_000
        line.read_on()
    assert b"".join(line.sent) == b"".join(frames)
    assert wire.offer(b"more")
    assert line.sent[-1] == b"more"


async def test_who_does_not_hear_the_answers_finds_no_room() -> None:
    line, wire, _ = wired()
    await wire.room()
    line.block()
    while wire.offer(b"a"):
        pass
    waits = asyncio.create_task(wire.room())
    await settled()
    assert not waits.done()
    line.read_on()
    await waits


async def test_one_that_takes_nothing_is_stuck() -> None:
    line, _, stuck = wired(patience=0.01)
    line.unread = 1_000
    line.block()
    await asyncio.wait_for(stuck.wait(), 10)


class SlowLine(Line):
    """One whose other side has read on whenever one looks."""

    def __init__(self) -> None:
        self.left, self.looked, self.looked_often = 1_000, 0, asyncio.Event()
        super().__init__()

    @property
    def unread(self) -> int:
        self.left -= 1
        self.looked += 1
        if self.looked == 4:
            self.looked_often.set()
        return self.left

    @unread.setter
    def unread(self, left: int) -> None:
        pass


async def test_a_slow_reader_is_no_dead_one() -> None:
    line, stuck = SlowLine(), asyncio.Event()
    Wire(line, 0.01, stuck.set)
    line.block()
    await asyncio.wait_for(line.looked_often.wait(), 10)
    assert not stuck.is_set()


async def test_nothing_is_written_after_the_end() -> None:
    line, wire, _ = wired()
    line.block()
    wire.add(b"waits")
    line.ended = True
    line.read_on()
    wire.add(b"late")
    wire.close()
    wire.add(b"later")
    assert line.sent == []
