"""`python -m bench.requests`: single requests next to Mercurius, a server in Node, on the same tables.

The peer runs the same statements, takes the same locks, looks up the credential and publishes the same
wake-ups. It leaves out Baton's rules. Servers take turns on one core, and the others are stopped meanwhile.
Ratios are taken within a round, so what disturbs the machine disturbs both alike.
"""

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from statistics import median

import asyncpg

from bench.client import Asked, Target, post, run
from bench.environment import surroundings
from bench.fanout.build import PEERS, install_peers
from bench.fanout.servers import free_ports, started
from bench.processes import Processes, only
from bench.rounds import say
from bench.server_under_test import HOST, Stage, Tenant, stage
from bench.tables import number, spread, table
from bench.workloads import SAID, Tray, start_conversations
from models.ids import new_id
from resolvers.credentials import SESSION_START, new_token, token_hash

CONVERSATIONS, ESCALATIONS, MEMBERS = 400, 200, 16
CLIENTS = (1, 16)
TICK_SECONDS = 0.01  # Linux counts CPU in these
SETTLE_SECONDS = 0.3  # after a stopped server goes on
PEER = "Mercurius"
REPLY = """mutation Reply($input: ReplyInput!) { replyToEscalation(input: $input) {
  message { id position status } } }"""
REPLIED = b'{"data":{"replyToEscalation":{"message":{"id":'
LIST = """query Escalations { escalations(first: 50) {
  nodes { id status priority reason createdAt sla { status dueAt remainingMinutes } assignee { id name }
    conversation { id customer { name email } messages(last: 3) { nodes { id role content createdAt } } } }
  pageInfo { hasNextPage endCursor } } }"""
LISTED = b'{"data":{"escalations":{"nodes":[{"id":'


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server that is measured."""

    name: str
    target: Target
    processes: Processes
    pid: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Requests a second, and milliseconds of CPU a request."""

    rate: float
    server: float
    postgres: float


@dataclass(slots=True)
class Workspace:
    """A workspace, with the ids and tokens that the requests name."""

    tenant: Tenant
    conversations: list[str] = field(default_factory=list)
    escalations: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)

    def work(self, name: str, target: Target) -> Asked:
        """Return the requests of one kind of work, without end."""
        if name == "recordMessage":
            return Tray(target, self.tenant.api_key).records(self.conversations)
        if name == "replyToEscalation":
            bodies = [
                _body(REPLY, {"escalationId": item, "content": "A person here."}) for item in self.escalations
            ]
            pairs = zip(cycle(bodies), cycle(self.sessions), strict=False)
            return Asked((post(target, "/graphql", body, session) for body, session in pairs), REPLIED)
        return Asked(cycle([post(target, "/graphql", _body(LIST), self.tenant.api_key)]), LISTED)


WORKS = ("recordMessage", "replyToEscalation", "escalations(first: 50) with messages")


def _body(query: str, given: dict[str, str] | None = None) -> bytes:
    return json.dumps({"query": query, "variables": {"input": given} if given else {}}).encode()


async def prepare(staged: Stage) -> Workspace:
    """Fill a workspace: conversations, assigned escalations with messages, and members with sessions."""
    tenant = staged.new_tenant("requests")
    target, tray = staged.target, Tray(staged.target, tenant.api_key)
    emails = [f"member{place}@example.com" for place in range(MEMBERS)]
    await run(target, tray.members(emails), 1, 60)
    talks = await start_conversations(target, tray, tenant.agent_id, CONVERSATIONS)
    escalated = await start_conversations(target, tray, tenant.agent_id, ESCALATIONS)
    raised = await run(target, tray.escalations(escalated, emails), 4, 60, keep_bodies=True)
    result = Workspace(tenant, talks)
    result.escalations = [
        json.loads(body)["data"]["escalateConversation"]["escalation"]["id"] for body in raised.bodies
    ]
    spoken = [
        post(target, "/graphql", _record(conversation, content), tenant.api_key)
        for conversation in escalated
        for content in SAID[:3]
    ]
    await run(target, Asked(iter(spoken), b'{"data":'), 4, 60)
    result.sessions = await _sign_in(staged)
    return result


def _record(conversation: str, content: str) -> bytes:
    query = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { message { id } } }"
    return _body(query, {"conversationId": conversation, "role": "USER", "content": content})


async def _sign_in(staged: Stage) -> list[str]:
    """Return tokens of new sessions, one for each member, without the cost of signing in."""
    connection = await asyncpg.connect(staged.database_url)
    now, tokens = datetime.now(UTC), []
    for row in await connection.fetch("SELECT id FROM members WHERE role = 'AGENT'"):
        tokens.append(new_token(SESSION_START))
        await connection.execute(
            "INSERT INTO member_sessions (id, token_hash, member_id, created_at, last_used_at, expires_at, "
            "idle_ends_at) VALUES ($1, $2, $3, $4, $4, $5, $5)",
            new_id(),
            token_hash(tokens[-1]),
            row["id"],
            now,
            now + timedelta(hours=1),
        )
    await connection.close()
    return tokens


@contextmanager
def peer(staged: Stage, name: str, *options: str) -> Iterator[Contestant]:
    """Start Mercurius on Baton's database."""
    (port,) = free_ports(1)
    sockets = staged.database_url.partition("host=")[2]
    script = PEERS / "requests" / "server.mjs"
    with started(["node", "--no-warnings", script, str(port), sockets, *options], [port]) as process:
        yield Contestant(name, Target(HOST, port), only(process.pid), process.pid)


@contextmanager
def only_running(chosen: Contestant, all_of_them: Sequence[Contestant]) -> Iterator[None]:
    """Stop the other servers meanwhile."""
    others = [item for item in all_of_them if item is not chosen]
    for item in others:
        os.kill(item.pid, signal.SIGSTOP)
    try:
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        for item in others:
            os.kill(item.pid, signal.SIGCONT)


async def measure(staged: Stage, server: Contestant, asked: Asked, clients: int, seconds: float) -> Reading:
    """Run one kind of work against one server."""
    before = server.processes.cpu_seconds(), staged.postgres.cpu_seconds()
    sample = await run(server.target, asked, clients, seconds)
    after = server.processes.cpu_seconds(), staged.postgres.cpu_seconds()
    spent = [max(now - then, TICK_SECONDS) for now, then in zip(after, before, strict=True)]
    cpu = [1000 * item / len(sample.latencies) for item in spent]
    return Reading(sample.rate, *cpu)


async def rounds(
    staged: Stage, servers: Sequence[Contestant], count: int, seconds: float
) -> dict[tuple[str, int], dict[str, list[Reading]]]:
    """Measure every work on every server, again and again; the first round does not count."""
    workspace = await prepare(staged)
    result: dict[tuple[str, int], dict[str, list[Reading]]] = {}
    for turn in range(count + 1):
        say(f"round {turn} of {count}" if turn else "warms up")
        for work in WORKS:
            for clients in CLIENTS:
                for server in servers:
                    with only_running(server, servers):
                        asked = workspace.work(work, server.target)
                        reading = await measure(staged, server, asked, clients, seconds)
                    if turn:
                        result.setdefault((work, clients), {}).setdefault(server.name, []).append(reading)
    return result


def lines(result: dict[tuple[str, int], dict[str, list[Reading]]]) -> Iterator[Sequence[str]]:
    """Yield the lines of the report; ratios are of CPU, next to the peer in the same round."""
    for (work, clients), by_server in result.items():
        for name, readings in by_server.items():
            pairs = list(zip(readings, by_server[PEER], strict=True))
            yield (
                work,
                str(clients),
                name,
                number(median(item.rate for item in readings)),
                number(median(item.server for item in readings)),
                number(median(item.postgres for item in readings)),
                spread([own.server / other.server for own, other in pairs]),
                spread([own.postgres / other.postgres for own, other in pairs]),
            )


def main() -> None:
    """Measure and print the table for RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.requests", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of each measurement")
    given = parser.parse_args()
    if not install_peers():
        parser.error("the peer needs Node.js and npm")
    with ExitStack() as stack:
        # All clients have a place, as the peer gives them.
        staged = stack.enter_context(stage("--no-worker", BATON_CONCURRENT_REQUESTS="32"))
        (pid,) = staged.server.members()
        servers = [
            Contestant("Baton", staged.target, staged.server, pid),
            stack.enter_context(peer(staged, PEER)),
            stack.enter_context(peer(staged, f"{PEER}, shown columns", "shown")),
        ]
        facts = surroundings(staged)
        result = asyncio.run(rounds(staged, servers, given.rounds, given.seconds))
    print("\n".join(table(("", ""), facts)), end="\n\n")
    head = (
        "work",
        "clients",
        "server",
        "a second",
        "CPU ms",
        "PostgreSQL ms",
        f"CPU ÷ {PEER}",
        "PostgreSQL ÷",
    )
    print("\n".join(table(head, lines(result))))


if __name__ == "__main__":
    main()
