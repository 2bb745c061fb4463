"""The fault test itself: its two-minute form passes, and each of its parts can find fault."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

import aiohttp
import asyncpg
import pytest

# The fault test is not an installed package; it is imported from the repository's root.
from chaos.checker import Committed, broken_promises, committed, differences, gaps_in_positions, unlike
from chaos.client import Client, session
from chaos.generator import Said
from chaos.processes import Process
from chaos.proxy import Link
from chaos.schedule import FULL_SECONDS, SHORT_SECONDS, kinds, missing, schedule
from chaos.widgets import Rendered, Widget
from chaos.worker_checks import announced_wrongly, untold
from rules.typeid import ESCALATION, parse_id
from tests.support.baton_client import DEADLINE, Workspace
from tests.support.pubsub_probe import eventually
from tests.support.requirements import need

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
SEEDS = range(50)
NOW = datetime.now(UTC)
CONVERSATION = "conv_of_this_test"


@pytest.mark.timeout(420)
def test_faults_for_two_minutes_lose_and_duplicate_nothing() -> None:
    if os.environ.get("TESTS_REQUIRE") == "all":
        need("redis-server", shutil.which("redis-server"))
    command = [sys.executable, "-m", "chaos", "--short"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=400)
        finally:
            # It ends what it has started; killed, it could not.
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0, said
    assert "PASSED" in said
    assert "RESYNC_REQUIRED: 0" in said


@pytest.mark.parametrize("missing_parts", [(), ("redis",), ("redis", "disk")])
def test_seed_gives_one_schedule_with_every_kind_of_fault(missing_parts: Sequence[str]) -> None:
    chosen = kinds(missing_parts)
    for seconds, least in ((FULL_SECONDS, 5), (SHORT_SECONDS, 1)):
        schedules = [schedule(seed, seconds, chosen) for seed in SEEDS]
        assert schedules == [schedule(seed, seconds, chosen) for seed in SEEDS]
        assert schedules[0] != schedules[1]
        for faults in schedules:
            assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
            assert 0 < faults[0].at < faults[-1].at < seconds
            done = Counter(fault.kind for fault in faults)
            assert set(done) == set(chosen)
            assert min(done.values()) >= least
            assert missing(done, seconds, chosen) == []
    for part in ("redis", "disk"):
        assert any(kind.what == part for kind in chosen) is (part not in missing_parts)


def test_kind_of_fault_that_was_too_rare_is_reported() -> None:
    chosen = kinds()
    done = Counter(fault.kind for fault in schedule(1, FULL_SECONDS, chosen))
    done[chosen[0]], done[chosen[1]] = 4, 5
    assert missing(done, FULL_SECONDS, chosen) == ["kill serve: done 4 times"]
    del done[chosen[0]]
    assert missing(done, SHORT_SECONDS, chosen) == ["kill serve: done 0 times"]


def truth(*contents: str) -> list[Committed]:
    return [Committed(place, "DELIVERED", content, NOW) for place, content in enumerate(contents, 1)]


def shown(*messages: Committed) -> list[Rendered]:
    return [Rendered(message.position, message.content, f"cursor{message.position}") for message in messages]


def test_same_sequence_has_no_difference() -> None:
    assert differences([], []) == []
    assert differences(truth("a", "b"), shown(*truth("a", "b"))) == []
    # Positions are those of all messages, of which a customer does not see every one.
    a, _, c = truth("a", "held", "c")
    assert differences([a, c], shown(a, c)) == []


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ((1, 3), ["lost: 2 “b” behind cursor cursor1, before cursor3"]),
        ((1, 2), ["lost: 3 “c” behind cursor cursor2, before none"]),
        ((1, 2, 2, 3), ["2 times: 2 “b” by cursor cursor2"]),
        ((1, 2, 3, 4), ["never for it: 4 “d” by cursor cursor4"]),
        ((2, 1, 3), ["out of order: 1 “a” by cursor cursor1 came behind 2 “b” by cursor cursor2"]),
    ],
)
def test_different_rendering_is_reported_with_its_cursors(order: Sequence[int], expected: list[str]) -> None:
    everything = truth("a", "b", "c", "d")
    assert differences(everything[:3], shown(*(everything[place - 1] for place in order))) == expected


def test_different_content_is_reported() -> None:
    rendered = [
        replace(item, content="B") if item.position == 2 else item for item in shown(*truth("a", "b"))
    ]
    assert differences(truth("a", "b"), rendered) == ["altered: 2 “B” by cursor cursor2, committed as “b”"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Said(CONVERSATION, "a", 1, "DELIVERED"), ""),
        (Said(CONVERSATION, "never answered for"), ""),
        (Said(CONVERSATION, "twice", 2, "DELIVERED"), "committed 2 times: “twice”"),
        (Said(CONVERSATION, "twice"), "committed 2 times: “twice”"),
        (Said(CONVERSATION, "gone", 4, "DELIVERED"), "answered for, but not committed: “gone”"),
        (Said(CONVERSATION, "a", 2, "DELIVERED"), "answered as"),
        (Said("another", "a", 1, "DELIVERED"), "answered as"),
    ],
)
def test_confirmed_message_must_be_stored_once(said: Said, expected: str) -> None:
    problems = broken_promises([said], {CONVERSATION: truth("a", "twice", "twice")})
    assert [item.startswith(expected) for item in problems] == ([True] if expected else [])


def test_positions_have_no_gaps() -> None:
    assert gaps_in_positions({CONVERSATION: truth("a", "b", "c")}) == []
    assert gaps_in_positions({CONVERSATION: truth("a", "b", "c")[1:]}) == [
        f"{CONVERSATION} has the positions [2, 3]"
    ]


class Echo:
    """A server that says everything back, at the other end of a link."""

    def __init__(self, link: Link) -> None:
        self.link = link

    @classmethod
    @asynccontextmanager
    async def behind_a_link(cls) -> AsyncIterator["Echo"]:
        handlers: set[asyncio.Task[None]] = set()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            handlers.add(task)
            with suppress(ConnectionError):
                while data := await reader.read(65_536):
                    writer.write(data)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        link = Link("link", lambda: asyncio.open_connection("127.0.0.1", port))
        await link.listen()
        async with server:
            yield cls(link)
            await link.close()
            await asyncio.gather(*handlers)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.link.port)


async def hears(reader: asyncio.StreamReader, text: bytes) -> bool:
    return await asyncio.wait_for(reader.readexactly(len(text)), DEADLINE) == text


async def test_black_hole_delays_and_loses_nothing() -> None:
    async with Echo.behind_a_link() as echo:
        reader, writer = await echo.dial()
        writer.write(b"before")
        assert await hears(reader, b"before")
        assert echo.link.used
        echo.link.black_hole()
        writer.write(b"within")
        late_reader, late_writer = await echo.dial()
        late_writer.write(b"late")
        hearing = {asyncio.ensure_future(reader.read(1)), asyncio.ensure_future(late_reader.read(1))}
        heard, deaf = await asyncio.wait(hearing, timeout=0.2)
        assert heard == set()
        echo.link.heal()
        await asyncio.wait(deaf, timeout=DEADLINE)
        assert {item.result() for item in deaf} == {b"w", b"l"}
        assert await hears(reader, b"ithin")
        assert await hears(late_reader, b"ate")
        writer.close()
        late_writer.close()


async def test_cut_connection_is_reset_and_new_ones_fail_until_healed() -> None:
    async with Echo.behind_a_link() as echo:
        reader, writer = await echo.dial()
        writer.write(b"before")
        assert await hears(reader, b"before")
        echo.link.cut()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE)
        refused, refused_writer = await echo.dial()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(refused.read(1), DEADLINE)
        echo.link.heal()
        again, again_writer = await echo.dial()
        again_writer.write(b"again")
        assert await hears(again, b"again")
        for item in (writer, refused_writer, again_writer):
            item.close()


async def test_silent_connection_stays_silent_and_others_pass() -> None:
    async with Echo.behind_a_link() as echo:
        reader, writer = await echo.dial()
        writer.write(b"before")
        assert await hears(reader, b"before")
        echo.link.silence()
        echo.link.heal()
        writer.write(b"silence")
        other, other_writer = await echo.dial()
        other_writer.write(b"other")
        assert await hears(other, b"other")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.close()
        other_writer.close()


async def test_slow_link_keeps_its_rate() -> None:
    async with Echo.behind_a_link() as echo:
        clock = asyncio.get_running_loop().time
        echo.link.slow(1024)
        reader, writer = await echo.dial()
        began = clock()
        writer.write(bytes(512))
        assert await hears(reader, bytes(512))
        # Each direction passes 512 bytes in half a second, both concurrently.
        assert clock() - began >= 0.7
        echo.link.heal()
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
        writer.close()


@asynccontextmanager
async def kept(folder: Path, script: str, blamed: list[str]) -> AsyncIterator[Process]:
    process = Process("script", [sys.executable, "-c", script], "ready", folder, blamed.append)
    task = asyncio.create_task(process.keep())
    process.want()
    try:
        await asyncio.wait_for(process.ready.wait(), DEADLINE)
        yield process
    finally:
        task.cancel()
        await asyncio.wait({task})
    assert not process.runs


async def test_killed_process_stays_down_and_an_unexpected_end_is_reported(tmp_path: Path) -> None:
    blamed: list[str] = []
    script = "import sys, time; print('ready', flush=True); time.sleep(60)"
    async with kept(tmp_path, script, blamed) as process:
        process.kill()
        await eventually(lambda: not process.runs)
        assert not process.ready.is_set()
        process.want()
        await asyncio.wait_for(process.ready.wait(), DEADLINE)
        await process.end()
        assert (process.starts, blamed) == (2, [])
    go = tmp_path / "go"
    script = f"""
import pathlib, sys, time
print("ready", flush=True)
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.01)
sys.exit(1)"""
    async with kept(tmp_path, script, blamed):
        go.touch()
        await eventually(lambda: bool(blamed))
        assert blamed[0] == "script ended by itself, with code 1"


def widget(workspace: Workspace, link: Link, http: aiohttp.ClientSession, blamed: list[str]) -> Widget:
    """Open a widget of a new conversation over a link."""
    started = workspace.start()
    urls = [f"http://127.0.0.1:{link.port}"]
    return Widget(
        name="widget",
        conversation=started["conversation"]["id"],
        token=started["widgetToken"],
        urls=urls,
        client=Client(http, urls, Random(1)),
        chance=Random(1),
        blame=blamed.append,
        cursor=started["conversation"]["cursor"],
    )


def has_rendered(viewer: Widget, count: int) -> bool:
    return len(viewer.rendered) == count


async def test_reconnected_widget_reports_what_it_rendered(workspace: Workspace) -> None:
    port, blamed = workspace.server.port, list[str]()
    link = Link("front", lambda: asyncio.open_connection("127.0.0.1", port))
    await link.listen()
    async with session() as http:
        viewer = widget(workspace, link, http, blamed)
        following = asyncio.create_task(viewer.run())
        for place in range(3):
            await asyncio.to_thread(workspace.key.record, viewer.conversation, "USER", f"words {place}")
            await eventually(partial(has_rendered, viewer, place + 1))
            link.cut()
            link.heal()
        assert viewer.connections >= 3
        # A second one reads what there is.
        two = replace(viewer, name="two", cursor=None, rendered=[])
        reading = asyncio.create_task(two.run())
        await eventually(partial(has_rendered, two, 3))
        for task in (following, reading):
            task.cancel()
        await asyncio.wait({following, reading})
    await link.close()
    connection = await asyncpg.connect(workspace.server.owner_url)
    assert unlike([viewer, two], await committed(connection)) == []
    await connection.execute("UPDATE messages SET content = 'other words' WHERE content = 'words 1'")
    assert [text.split(":")[1] for text in unlike([viewer, two], await committed(connection))] == [
        " altered"
    ] * 2
    await connection.close()
    assert blamed == []


async def test_clocks_not_announced_exactly_once_are_reported(workspace: Workspace) -> None:
    escalation = workspace.key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    key = parse_id(ESCALATION, escalation)
    connection = await asyncpg.connect(workspace.server.owner_url)
    assert await announced_wrongly(connection, [escalation]) == []
    # As if its time had passed long ago, and no timer or worker were there to notice.
    await connection.execute(
        "UPDATE escalations SET sla_at_risk_at = now() - interval '1 h', sla_next_at = NULL WHERE id = $1",
        key,
    )
    (problem,) = await announced_wrongly(connection, [escalation])
    assert "was announced [], logged [], when ['sla_at_risk'] had passed" in problem
    for count in (1, 2):
        await connection.execute(
            """INSERT INTO timeline_entries (escalation_id, position, kind, data, occurred_at)
               VALUES ($1, $2, 'sla_at_risk', '{}', now())""",
            key,
            100 + count,
        )
        (problem,) = await announced_wrongly(connection, [escalation])
        assert f"was announced {['sla_at_risk'] * count}, logged []" in problem
    await connection.close()


async def test_escalations_missing_at_the_webhook_are_reported(workspace: Workspace) -> None:
    escalation = workspace.key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    connection = await asyncpg.connect(workspace.server.owner_url)
    (problem,) = await untold(connection, workspace.agent_id, {})
    assert problem == f"the webhook was not told of {escalation}: its delivery is None"
    assert await untold(connection, workspace.agent_id, {escalation: 1}) == []
    await connection.close()
