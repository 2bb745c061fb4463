"""`python -m bench.soak`: mixed traffic for an hour, and what grows meanwhile.

Conversations are opened, followed, recorded, escalated, answered and resolved; lists, searches and analytics
are read; sockets come and go, and webhooks are received. After two minutes of warm-up, memory, descriptors
and connections of the server are read every few seconds. The slopes are those of the least squares. The exit
code is 1 if memory grows by more than 1 MB a minute, or if a call was answered with an error.

During the warm-up there are eleven times as many callers. So the pools have opened all connections, each of
which keeps its prepared statements. What grows afterwards is a leak.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import linear_regression
from time import monotonic
from typing import Any

import asyncpg
import httpx
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.rounds import say
from bench.server_under_test import HOST, Stage, Tenant, stage
from bench.tables import number, table

WARM_UP_SECONDS = 120
SAMPLE_SECONDS = 5
MOST_MB_A_MINUTE = 1.0
TALKERS, READERS, FOLLOWERS = 4, 2, 20
MORE_TALKERS, MORE_READERS = 40, 20  # during the warm-up
PAUSE_SECONDS = 0.05
EVENT_SECONDS = 30
KIB = 1024

_START = """mutation($id: ID!) { startConversation(input: {agentId: $id,
    customer: {email: "jane@example.com"}}) { conversation { id cursor } widgetToken } }"""
_RECORD = """mutation($id: ID!, $role: MessageRole!, $text: String!) { recordMessage(input: {
    conversationId: $id, role: $role, content: $text}) { message { id } } }"""
_ESCALATE = """mutation($id: ID!) { escalateConversation(input: {conversationId: $id,
    reason: "needs a person"}) { escalation { id } } }"""
_REPLY = """mutation($id: ID!) { replyToEscalation(input: {escalationId: $id, content: "A person here."}) {
    message { id } } }"""
_RESOLVE = "mutation($id: ID!) { resolveEscalation(input: {escalationId: $id}) { escalation { id } } }"
_ENDPOINT = """mutation($id: ID!, $url: String!) { createWebhookEndpoint(input: {agentId: $id, url: $url,
    eventTypes: []}) { endpoint { id } } }"""
_READS = (
    "{ conversations(first: 20) { totalCount nodes { id messages(last: 5) { nodes { content } } } } }",
    "{ escalations(first: 20, orderBy: DUE_ASC) { nodes { id sla { dueAt } conversation { id } } } }",
    '{ conversations(filter: {search: "parcel"}, first: 20) { nodes { id } } }',
    "{ deliveries(first: 20) { nodes { id attempts { response } } } }",
    "{ escalationCounts { open breached } }",
    '{ escalationAnalytics(agentId: "%s", from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z") '
    "{ escalations series(interval: MONTH) { escalations } } }",
)
_FOLLOWED = "subscription { escalationUpdated { cursor } }"
_MESSAGES = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { content } } }"""
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at an instant: minutes since the start, memory in MB, descriptors and connections."""

    minute: float
    memory: float
    descriptors: int
    clients: int
    database: int


class Traffic:
    """The callers of one server. `done` counts what was answered, `failed` what was refused."""

    def __init__(self, staged: Stage, tenant: Tenant, client: httpx.AsyncClient) -> None:
        self._address = f"{staged.target.host}:{staged.target.port}"
        self._client = client
        self._tenant = tenant
        self.done: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    async def ask(self, what: str, query: str, **values: Any) -> Any:
        """Return the payload of an operation, or None if it was refused."""
        answer = await self._client.post(
            f"http://{self._address}/graphql", json={"query": query, "variables": values}
        )
        document = answer.json()
        if "errors" in document:
            self.failed[f"{what}: {document['errors'][0]['message']}"] += 1
            return None
        self.done[what] += 1
        return next(iter(document["data"].values()))

    async def talk(self) -> None:
        """Hold one conversation after another, each with a follower of its own."""
        while True:
            started = await self.ask("start", _START, id=self._tenant.agent_id)
            if started:
                await self._hold(started["conversation"], started["widgetToken"])
            await asyncio.sleep(PAUSE_SECONDS)

    async def _hold(self, conversation: dict[str, str], token: str) -> None:
        given = {"id": conversation["id"], "after": conversation["cursor"]}
        async with self._socket(token) as socket:
            await _subscribe(socket, _MESSAGES, given)
            said = [
                await self.ask("record", _RECORD, id=given["id"], role="USER", text="Where is my parcel?"),
                await self.ask("record", _RECORD, id=given["id"], role="ASSISTANT", text="It is on its way."),
                escalated := await self.ask("escalate", _ESCALATE, id=given["id"]),
            ]
            if escalated:
                said.append(await self.ask("reply", _REPLY, id=escalated["escalation"]["id"]))
                await self.ask("resolve", _RESOLVE, id=escalated["escalation"]["id"])
            # The messages, the confirmation and the reply, without those that were refused.
            for _ in range(sum(payload is not None for payload in said)):
                async with asyncio.timeout(EVENT_SECONDS):
                    await socket.recv()
                self.done["event"] += 1

    async def read(self) -> None:
        """Read lists, searches and analytics in turn."""
        while True:
            for query in _READS:
                text = query % self._tenant.agent_id if "%s" in query else query
                await self.ask("read", text)
                await asyncio.sleep(PAUSE_SECONDS)

    async def follow(self) -> None:
        """Follow the workspace on one socket."""
        async with self._socket(self._tenant.api_key) as socket:
            await _subscribe(socket, _FOLLOWED, {})
            async for _ in socket:
                self.done["followed event"] += 1

    @asynccontextmanager
    async def _socket(self, token: str) -> AsyncIterator[ClientConnection]:
        protocol = Subprotocol("graphql-transport-ws")
        async with connect(f"ws://{self._address}/graphql", subprotocols=[protocol]) as socket:
            payload = {"authorization": f"Bearer {token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            await socket.recv()
            yield socket


async def _subscribe(socket: ClientConnection, query: str, values: dict[str, str]) -> None:
    payload = {"query": query, "variables": values}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))


@asynccontextmanager
async def _receiver(traffic: Traffic) -> AsyncIterator[str]:
    """Answer webhooks, and yield the URL."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        traffic.done["webhook"] += 1
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, 0).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}/hook"
    finally:
        await runner.cleanup()


async def _soak(staged: Stage, tenant: Tenant, minutes: float) -> tuple[list[Sample], Traffic]:
    headers = {"authorization": f"Bearer {tenant.api_key}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
        traffic = Traffic(staged, tenant, client)
        async with _receiver(traffic) as url:
            await traffic.ask("endpoint", _ENDPOINT, id=tenant.agent_id, url=url)
            callers = [traffic.talk() for _ in range(TALKERS)] + [traffic.read() for _ in range(READERS)]
            callers += [traffic.follow() for _ in range(FOLLOWERS)]
            tasks = [asyncio.ensure_future(caller) for caller in callers]
            sampling = asyncio.ensure_future(_samples(staged, traffic, minutes))
            # A caller that ends has failed.
            ended, _ = await asyncio.wait({sampling, *tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in {sampling, *tasks} - ended:
                task.cancel()
            # The others fail, too, when the server ends: only the first error is raised.
            await asyncio.gather(sampling, *tasks, return_exceptions=True)
            for task in ended:
                task.result()
            return sampling.result(), traffic


async def _warm_up(traffic: Traffic) -> None:
    """Add callers for some time, and forget what was answered: so many callers are too many at times."""
    callers = [traffic.talk() for _ in range(MORE_TALKERS)] + [traffic.read() for _ in range(MORE_READERS)]
    with suppress(TimeoutError):
        async with asyncio.timeout(WARM_UP_SECONDS):
            await asyncio.gather(*callers)
    traffic.done.clear()
    traffic.failed.clear()


async def _samples(staged: Stage, traffic: Traffic, minutes: float) -> list[Sample]:
    """Warm up, and read the server until the time has passed."""
    await _warm_up(traffic)
    say("is warm, and samples from now on")
    began, samples = monotonic(), list[Sample]()
    database = await asyncpg.connect(staged.database_url)
    metrics = f"http://{staged.target.host}:{staged.target.port}/metrics"
    async with httpx.AsyncClient(trust_env=False) as client:
        while monotonic() < began + 60 * minutes:
            lines = (await client.get(metrics)).text.splitlines()
            (clients,) = [line for line in lines if line.startswith("baton_open_connections ")]
            sample = Sample(
                (monotonic() - began) / 60,
                staged.server.memory().rss * KIB / 1e6,
                staged.server.descriptors(),
                round(float(clients.split()[1])),
                await database.fetchval(_CONNECTIONS),
            )
            if not samples or int(sample.minute) > int(samples[-1].minute):
                say(
                    f"minute {sample.minute:.0f}: {sample.memory:.0f} MB, {sample.descriptors} descriptors, "
                    f"{sample.database} connections to the database"
                )
            samples.append(sample)
            await asyncio.sleep(SAMPLE_SECONDS)
    await database.close()
    return samples


def _report(samples: Sequence[Sample], traffic: Traffic) -> bool:
    """Print the slopes, and return whether they are within the limit."""
    rows, slopes = [], {}
    for name in ("memory", "descriptors", "clients", "database"):
        values = [float(getattr(sample, name)) for sample in samples]
        slopes[name] = linear_regression([sample.minute for sample in samples], values).slope
        figures = (values[0], values[-1], min(values), max(values), slopes[name])
        rows.append((name, *(number(figure) for figure in figures)))
    heads = ("", "first", "last", "least", "most", "a minute")
    print("\n".join(table(heads, rows)))
    print(f"\n{len(samples)} samples in {samples[-1].minute:.1f} minutes. Answered: {dict(traffic.done)}")
    if traffic.failed:
        print(f"Refused: {dict(traffic.failed)}")
    return slopes["memory"] <= MOST_MB_A_MINUTE and not traffic.failed


def main() -> None:
    """Run the traffic, and print the slopes."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, help="after the warm-up of two minutes")
    minutes = parser.parse_args().minutes
    with stage(BATON_WEBHOOK_ALLOW_PRIVATE="true") as staged, suppress(KeyboardInterrupt):
        tenant = staged.new_tenant("soak")
        say(f"warms up for {WARM_UP_SECONDS} s")
        samples, traffic = asyncio.run(_soak(staged, tenant, minutes))
        sys.exit(0 if _report(samples, traffic) else 1)
    sys.exit(130)


if __name__ == "__main__":
    main()
