"""`python -m bench.writers`: 16 writers of one workspace next to 16 writers of as many workspaces.

The row of a workspace's stream is locked from the statement that writes a message until its COMMIT, so the
messages of one workspace commit one after the other. Two lines show how much that costs: messages recorded
by Baton, and the same statements without Baton, which show what PostgreSQL allows.
"""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from statistics import median
from time import perf_counter
from uuid import UUID

import uvloop

from bench.client import Asked, Sample, run
from bench.environment import surroundings
from bench.fanout.baton import PASSWORD
from bench.processes import Processes, only
from bench.rounds import say
from bench.server_under_test import Stage, Tenant, stage
from bench.tables import number, spread, table
from bench.workloads import RECORDED, SAID, Tray, start_conversations
from models.ids import new_id
from models.row_scope import connect_across
from resolvers.member import NewMember
from resolvers.workspace import NewWorkspace, make_workspace
from rules.roles import MemberRole
from rules.typeid import AGENT, CONVERSATION, format_id, parse_id
from server.services import open_services
from server.settings import Settings

WRITERS = 16
CONVERSATIONS = 10  # of each writer
BATON, STATEMENTS = "recordMessage", "its statements, without Baton"
ONE, MANY = "one workspace", f"{WRITERS} workspaces"

_LOCK = "SELECT workspace_id FROM conversations WHERE id = $1 FOR NO KEY UPDATE"
_WRITE = """
WITH talk AS (
    UPDATE conversations SET messages = messages + 1, last_message_at = clock_timestamp() WHERE id = $1
    RETURNING messages AS place, last_message_at AS at
), said AS (
    INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
    SELECT $3, $1, talk.place, 'ASSISTANT', 'DELIVERED', $4, '{}', talk.at FROM talk
), head AS (
    UPDATE streams SET head = head + 1, head_at = talk.at FROM talk WHERE streams.id = $1 RETURNING head
), entry AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT $1, head.head, 'message.added', jsonb_build_object('message', $3::uuid, 'status', 'DELIVERED'),
           talk.at FROM talk, head
), workspace_head AS (
    UPDATE streams SET head = streams.head + 1, head_at = talk.at FROM talk, head
    WHERE streams.id = $2 AND head.head IS NOT NULL RETURNING streams.head
), workspace_entry AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT $2, workspace_head.head, 'conversation.message_added',
           jsonb_build_object('conversation', $1::uuid, 'message', $3::uuid), talk.at
    FROM talk, workspace_head
)
SELECT head FROM workspace_head
"""


@dataclass(frozen=True, slots=True)
class Writers:
    """The conversations that 16 writers write to, by workspace."""

    tenants: Sequence[Tenant]
    conversations: Sequence[Sequence[str]]

    def requests(self, staged: Stage) -> Asked:
        """Yield requests that record messages, of each workspace in turn, without end."""
        trays = [Tray(staged.target, tenant.api_key) for tenant in self.tenants]
        streams = [
            tray.records(talks).requests for tray, talks in zip(trays, self.conversations, strict=True)
        ]
        return Asked(chain.from_iterable(zip(*streams, strict=False)), RECORDED)

    def shares(self) -> list[list[UUID]]:
        """Return the conversations of each writer. No conversation has two."""
        ids = [[parse_id(CONVERSATION, talk) for talk in talks] for talks in self.conversations]
        if len(ids) == 1:
            return [ids[0][place::WRITERS] for place in range(WRITERS)]
        return ids


@dataclass(frozen=True, slots=True)
class Reading:
    """Messages a second, latencies in seconds, and milliseconds of CPU a message.

    `writer` is the CPU of the server, or of the process that runs the statements.
    """

    sample: Sample
    writer: float
    postgres: float


async def prepare(staged: Stage) -> dict[str, Writers]:
    """Create the workspaces, with as many conversations in one as in the others together."""
    tenants = await _new_tenants(staged, 1 + WRITERS)
    result = {}
    for name, some in ((ONE, tenants[:1]), (MANY, tenants[1:])):
        count = CONVERSATIONS * WRITERS // len(some)
        talks = [
            await start_conversations(staged.target, Tray(staged.target, item.api_key), item.agent_id, count)
            for item in some
        ]
        result[name] = Writers(some, talks)
    return result


async def _new_tenants(staged: Stage, count: int) -> list[Tenant]:
    settings = Settings(data_dir=staged.data_dir)
    async with open_services(settings, staged.database_url, live=False) as opened:
        tenants = []
        for place in range(count):
            admin = NewMember(f"admin{place}@example.com", "Admin", MemberRole.ADMIN, PASSWORD)
            made = await make_workspace(opened.services, NewWorkspace(f"writers {place}", "AI", admin))
            tenants.append(Tenant(format_id(AGENT, made.agent.id), made.api_key))
        return tenants


async def run_statements(staged: Stage, writers: Writers, seconds: float) -> Sample:
    """Have 16 connections run the statements of recordMessage, each after its last COMMIT."""
    sample = Sample()
    began = perf_counter()
    await asyncio.gather(
        *(_write(staged.database_url, talks, began + seconds, sample) for talks in writers.shares())
    )
    sample.seconds = perf_counter() - began
    return sample


async def _write(url: str, talks: Sequence[UUID], until: float, sample: Sample) -> None:
    connection = await connect_across(url)
    lock, write = await connection.prepare(_LOCK), await connection.prepare(_WRITE)
    for talk, content in zip(cycle(talks), cycle(SAID), strict=False):
        began = perf_counter()
        if began > until:
            break
        async with connection.transaction():
            workspace = await lock.fetchval(talk)
            await write.fetchval(talk, workspace, new_id(), content)
        sample.latencies.append(perf_counter() - began)
    await connection.close()


async def measure(staged: Stage, writer: Processes, work: Awaitable[Sample]) -> Reading:
    """Run one kind of work."""
    before = writer.cpu_seconds(), staged.postgres.cpu_seconds()
    sample = await work
    after = writer.cpu_seconds(), staged.postgres.cpu_seconds()
    cpu = [1000 * (now - then) / len(sample.latencies) for now, then in zip(after, before, strict=True)]
    return Reading(sample, *cpu)


Result = dict[tuple[str, str], list[Reading]]


async def rounds(staged: Stage, count: int, seconds: float) -> Result:
    """Measure one workspace and 16 in turn, again and again; the first round does not count."""
    workspaces = await prepare(staged)
    result: Result = {}
    own = only(os.getpid())
    for turn in range(count + 1):
        say(f"round {turn} of {count}" if turn else "warms up")
        for name, writers in workspaces.items():
            work = run(staged.target, writers.requests(staged), WRITERS, seconds)
            reading = await measure(staged, staged.server, work)
            _keep(result, turn, (BATON, name), reading)
        # Without Baton the server's core is free for the process that runs the statements.
        os.sched_setaffinity(0, {staged.cores.server})
        for name, writers in workspaces.items():
            reading = await measure(staged, own, run_statements(staged, writers, seconds))
            _keep(result, turn, (STATEMENTS, name), reading)
        os.sched_setaffinity(0, {staged.cores.client})
    return result


def _keep(result: Result, turn: int, case: tuple[str, str], reading: Reading) -> None:
    if turn:
        result.setdefault(case, []).append(reading)


def lines(result: Result) -> Iterator[Sequence[str]]:
    """Yield the lines of the report. Ratios compare with 16 workspaces in the same round."""
    for (work, name), readings in result.items():
        pairs = list(zip(readings, result[work, MANY], strict=True))
        yield (
            work,
            name,
            spread([item.sample.rate for item in readings]),
            *(_milliseconds(readings, share) for share in (0.5, 0.99)),
            number(median(item.writer for item in readings)),
            number(median(item.postgres for item in readings)),
            spread([own.sample.rate / many.sample.rate for own, many in pairs]),
        )


def _milliseconds(readings: Sequence[Reading], share: float) -> str:
    at = [sorted(item.sample.latencies)[int(share * (len(item.sample.latencies) - 1))] for item in readings]
    return spread([1000 * item for item in at])


def main() -> None:
    """Measure and print the table for RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.writers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds of each measurement")
    given = parser.parse_args()
    # All writers have a place.
    with stage("--no-worker", BATON_CONCURRENT_REQUESTS="32") as staged:
        facts = surroundings(staged)
        result = uvloop.run(rounds(staged, given.rounds, given.seconds))
    print("\n".join(table(("", ""), facts)), end="\n\n")
    head = (
        f"{WRITERS} writers",
        "of",
        "messages a second",
        "p50 ms",
        "p99 ms",
        "writer's CPU ms",
        "PostgreSQL CPU ms",
        f"a second ÷ {MANY}",
    )
    print("\n".join(table(head, lines(result))))


if __name__ == "__main__":
    main()
