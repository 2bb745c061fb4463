"""A run: everything stands up, is broken for a while, heals, and is compared."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import asyncpg

from chaos.checker import broken_promises, committed, delays, delivered, gaps_in_positions, unlike
from chaos.client import Client, session
from chaos.cluster import Stage, Tenant
from chaos.generator import Generator
from chaos.nemesis import Nemesis
from chaos.receiver import Receiver
from chaos.report import Result, report
from chaos.schedule import kinds, missing, schedule
from chaos.widgets import Widget
from chaos.worker_checks import announced_wrongly, announcements, untold

TALKS, WIDGETS_EACH = 10, 4
SETTLE_SECONDS = 60
LOOK_SECONDS = 1.0
# Longer than the poll interval of the feed: a doubled message would have arrived.
QUIET_SECONDS = 4.0


@dataclass
class World:
    """All that takes part in a run."""

    seed: int
    seconds: float
    stage: Stage
    tenant: Tenant
    client: Client
    generator: Generator
    widgets: list[Widget]
    receiver: Receiver
    wrong: list[str]


def say(text: str) -> None:
    """Progress goes to stderr, with the time since the run began."""
    print(text, file=sys.stderr, flush=True)


async def run(stage: Stage, seed: int, seconds: float, wrong: list[str]) -> Result:
    """Print the result and return it."""
    chosen = kinds(stage.missing)
    faults = schedule(seed, seconds, chosen)
    say(f"seed {seed}, {len(faults)} faults in {seconds:.0f} s")
    for fault in faults:
        say(f"  {fault.at:6.1f} s  {fault}")
    for line in stage.missing.values():
        say(line)
    async with _standing(stage, seed, seconds, wrong) as world:
        began = time.monotonic()
        nemesis = Nemesis(
            stage, lambda text: say(f"  {time.monotonic() - began:6.1f} s  {text}"), wrong.append
        )
        async with asyncio.TaskGroup() as group:
            following = [group.create_task(_begin(world, item)) for item in world.widgets]
            writing = group.create_task(world.generator.run(seconds))
            await asyncio.gather(nemesis.run(faults), asyncio.sleep(seconds))
            result = await _healed(world, nemesis, writing)
            for task in following:
                task.cancel()
        result.wrong = [*missing(result.done, seconds, chosen), *wrong, *result.wrong]
        print(report(result, world.widgets, world.client), flush=True)
        return result


@asynccontextmanager
async def _standing(stage: Stage, seed: int, seconds: float, wrong: list[str]) -> AsyncIterator[World]:
    """Everybody is there, and nothing is broken yet."""
    receiver = Receiver()
    async with stage.running(), receiver.listening(), session() as http:
        chance = Random(seed)
        client = Client(http, stage.fronts, chance)
        tenant = await stage.new_tenant()
        await receiver.subscribe(client, tenant)
        generator = Generator(client, tenant, chance, wrong.append)
        await generator.prepare(TALKS)
        world = World(seed, seconds, stage, tenant, client, generator, [], receiver, wrong)
        world.widgets = _widgets(world)
        yield world


def _widgets(world: World) -> list[Widget]:
    """Return widgets for each conversation; all but the last begin where it did."""
    return [
        Widget(
            name=f"widget {place}.{number}",
            conversation=talk.id,
            token=talk.widget_token,
            urls=world.stage.fronts,
            client=world.client,
            chance=Random(f"{world.seed} {place} {number}"),
            blame=world.wrong.append,
            cursor=talk.cursor if number < WIDGETS_EACH else None,
            reloads=number % 2 == 0,
        )
        for place, talk in enumerate(world.generator.talks, 1)
        for number in range(1, WIDGETS_EACH + 1)
    ]


async def _begin(world: World, widget: Widget) -> None:
    """Start a widget; one that reads the conversation first starts in the middle of the run."""
    if widget.cursor is None:
        await asyncio.sleep(widget.chance.uniform(0, 0.8 * world.seconds))
    await widget.run()


async def _healed(world: World, nemesis: Nemesis, writing: "asyncio.Task[None]") -> Result:
    """Nothing is broken any more: waits until all is as it should be, or for so long."""
    began = time.monotonic()
    say("all is healed; everybody comes to an end")
    world.generator.ending.set()
    await asyncio.wait({writing}, timeout=SETTLE_SECONDS)
    if not writing.done():
        world.wrong.append(f"{world.generator.unanswered} messages were still not answered for")
        writing.cancel()
    try:
        await world.stage.all_ready()
    except TimeoutError as error:
        world.wrong.append(str(error))
    connection = await asyncpg.connect(world.stage.postgres.owner_url)
    try:
        result = Result(done=nemesis.done)
        while time.monotonic() < began + SETTLE_SECONDS and await _differences(world, connection):
            await asyncio.sleep(LOOK_SECONDS)
        result.caught_up_seconds = time.monotonic() - began
        await asyncio.sleep(QUIET_SECONDS)
        result.wrong = await _differences(world, connection)
        await _count(world, connection, result)
    finally:
        await connection.close()
    return result


async def _differences(world: World, connection: asyncpg.Connection) -> list[str]:
    truth = await committed(connection)
    return [
        *unlike(world.widgets, truth),
        *broken_promises(world.generator.said.values(), truth),
        *gaps_in_positions(truth),
        *await announced_wrongly(connection, world.generator.clocks),
        *await untold(connection, world.tenant.agent_id, world.receiver.told),
    ]


async def _count(world: World, connection: asyncpg.Connection, result: Result) -> None:
    truth = await committed(connection)
    followed = [truth[talk.id] for talk in world.generator.talks]
    result.committed = sum(len(delivered(messages)) for messages in followed)
    result.held = sum(len(messages) for messages in followed) - result.committed
    result.answered = len(world.generator.said) - world.generator.unanswered
    result.delays = delays(world.widgets, truth)
    result.replies = world.client.answers
    result.starts = sum(item.starts for item in world.stage.processes.values())
    result.clocks = len(world.generator.clocks)
    result.announcements, result.latest = await announcements(connection, world.generator.clocks)
    result.escalations, result.webhooks = len(world.receiver.told), world.receiver.told.total()
