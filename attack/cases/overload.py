"""Far more calls than the server can answer, from callers that do not wait after a refusal."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from attack.case import MIB, Limits, case
from attack.flood import RECORD, Answers, Plan, flood_elsewhere
from attack.keep_alive import KeptConnection, kept_connection
from attack.machine import measure_waiting
from attack.run import percentile
from attack.stage import new_conversation, new_key
from attack.wire import message, open_socket, request
from attack.world import NEIGHBOUR, World, expect

CALLERS, SECONDS = 400, 20.0
CONVERSATIONS = 40
START_SECONDS = 2.0  # until the callers are connected, and the first have been refused
ANSWERED_SECONDS, REFUSED_SECONDS, NEIGHBOUR_SECONDS, AFTER_SECONDS = 5.0, 2.0, 1.0, 0.3
NEIGHBOUR_OF_TOKEN_SECONDS = 0.3
RECOVERY_SECONDS = 2.0
_PAUSE = 0.2  # between a neighbour's calls
_READY = request("GET", "/readyz", {"Connection": "keep-alive"})
_ADDED = "subscription($id: ID!) { messageAdded(conversationId: $id) { message { id } } }"
# The callers' connections have buffers, and so have their answers.
_FLOODED = Limits(memory_bytes=96 * MIB, files=500)


@dataclass(slots=True)
class Seen:
    """The calls of a neighbour and the probes during a flood, in seconds."""

    calls: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def _repeat(call: Callable[[], Awaitable[None]], flood: "asyncio.Task[object]") -> None:
    while not flood.done():
        began = time.monotonic()
        await call()
        await asyncio.sleep(max(_PAUSE - (time.monotonic() - began), 0))


async def _observe(world: World, plan: Plan) -> tuple[dict[str, Answers], Seen]:
    """Flood by a plan, and return its answers and what a neighbour saw meanwhile and afterwards."""
    seen = Seen()
    async with AsyncExitStack() as opened:
        neighbour, prober = [
            await opened.enter_async_context(kept_connection(world.port, world.neighbour_key, NEIGHBOUR))
            for _ in range(2)
        ]

        async def record() -> None:
            reply = await neighbour.graphql(RECORD, {"id": world.neighbour_conversation})
            seen.calls.append(reply.seconds)
            if b'"errors"' in reply.body:
                seen.wrong.append(f"the neighbour got {reply.status}: {reply.body[:120]!r}")

        async def probe() -> None:
            reply = await prober.send(_READY)
            seen.probes.append(reply.seconds)
            if reply.status != 200:
                seen.wrong.append(f"/readyz answered {reply.status}")

        flood = asyncio.create_task(flood_elsewhere(plan))
        await asyncio.sleep(START_SECONDS)
        await asyncio.gather(_repeat(record, flood), _repeat(probe, flood))
        await _expect_recovery(world, neighbour)
    # Others may have begun to use the cores meanwhile.
    world.waiting = max(world.waiting, await asyncio.to_thread(measure_waiting))
    return await flood, seen


async def _expect_events(reader: asyncio.StreamReader, count: int) -> None:
    received = bytearray()
    try:
        async with asyncio.timeout(10):
            while received.count(b'"type":"next"') < count:
                data = await reader.read(1 << 16)
                expect(data, "the socket was closed")
                received += data
    except TimeoutError:
        expect(False, f"{received.count(b'next')} of {count} events came")


async def _expect_recovery(world: World, neighbour: KeptConnection) -> None:
    end = time.monotonic() + world.patience(RECOVERY_SECONDS)
    while True:
        reply = await neighbour.graphql(RECORD, {"id": world.neighbour_conversation})
        if reply.seconds <= world.patience(AFTER_SECONDS):
            return
        expect(time.monotonic() < end, f"a call takes {reply.seconds:.2f} s after the flood")


def _check(world: World, answers: dict[str, Answers], seen: Seen, neighbour_seconds: float) -> None:
    slowest = percentile(seen.calls, 0.99)
    figures = ", ".join(f"{status}: {of.count} within {of.longest:.2f} s" for status, of in answers.items())
    world.notes.append(
        f"{figures}; neighbour: {len(seen.calls)} calls, 99 % within {slowest:.2f} s; "
        f"/readyz within {max(seen.probes):.2f} s"
    )
    print(f"    {world.notes[-1]}", flush=True)
    expect(not seen.wrong, "; ".join(seen.wrong[:3]))
    expect(slowest <= world.patience(neighbour_seconds), f"the neighbour waited {slowest:.2f} s")
    for status, of in answers.items():
        # A refusal with status 200 is one by the limits of mutations, which are checked at execution.
        limit = ANSWERED_SECONDS if status.startswith("200") else REFUSED_SECONDS
        expect(of.longest <= world.patience(limit), f"{status} took {of.longest:.2f} s")
        expect(
            status in {"200", "200 refused", "429 refused", "503 refused"}, f"{of.count} calls got {status}"
        )
        expect(of.codes <= {"RATE_LIMITED", "UNAVAILABLE"}, f"codes {of.codes}")
        expect(not of.without_retry, f"{of.without_retry} refusals have no Retry-After")
    expect("200" in answers, "nobody was answered")


@case(
    "overload: 400 callers of one workspace",
    "an answer takes 5 s, a refusal 2 s, a neighbour's call 1 s; sockets stay; all is normal after 2 s",
    _FLOODED,
    alone=True,
)
async def flood_by_key(world: World) -> None:
    """Record messages by one API key in many conversations."""
    started = [(await new_conversation(world))[0] for _ in range(CONVERSATIONS)]
    # A key of its own, since a fast machine uses up the key's calls of a minute.
    plan = Plan(world.port, CALLERS, SECONDS, [await new_key(world)], started)
    async with kept_connection(world.port, world.neighbour_key, NEIGHBOUR) as live:
        reader, writer = live.streams
        expect(await open_socket(live.streams) == 101, "no WebSocket")
        writer.write(
            message(type="connection_init", payload={"authorization": f"Bearer {world.neighbour_key}"})
        )
        variables = {"id": world.neighbour_conversation}
        writer.write(message(id="1", type="subscribe", payload={"query": _ADDED, "variables": variables}))
        answers, seen = await _observe(world, plan)
        await _expect_events(reader, len(seen.calls))
    _check(world, answers, seen, NEIGHBOUR_SECONDS)


@case(
    "overload: 200 callers with one widget token",
    "a conversation runs four calls, and a few wait; a neighbour is answered within 0.3 s",
    _FLOODED,
    alone=True,
)
async def flood_by_token(world: World) -> None:
    """Record messages with one widget token."""
    conversation, token = await new_conversation(world)
    plan = Plan(world.port, CALLERS // 2, SECONDS / 2, [token], [conversation])
    answers, seen = await _observe(world, plan)
    _check(world, answers, seen, NEIGHBOUR_OF_TOKEN_SECONDS)
