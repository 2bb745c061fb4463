"""`python -m bench.analytics`: loads two years of one workspace and measures its analytics."""

import argparse
import asyncio
import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import asyncpg
import httpx

from bench.analytics_data import DAYS, FIRST_DAY, load
from bench.analytics_sql import duckdb_sql, plain_sql
from bench.client import Asked, post, run
from bench.environment import surroundings
from bench.rounds import say
from bench.server_under_test import BATON, Stage, stage, with_data
from bench.tables import number, table
from rules.typeid import AGENT, WORKSPACE, parse_id

ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata", "Pacific/Kiritimati", "America/New_York")
END = FIRST_DAY + timedelta(days=DAYS)
WARM_UP = 5
_TIMES = (
    "count averageSeconds medianSeconds p90Seconds p95Seconds "
    "averageBusinessSeconds medianBusinessSeconds p90BusinessSeconds"
)
_ANALYTICS = f"""query($agent: ID!, $from: DateTime!, $to: DateTime!, $zone: String!) {{
  escalationAnalytics(agentId: $agent, from: $from, to: $to) {{
    from to conversations escalatedConversations escalations escalationRate
    resolutionTime {{ {_TIMES} }} firstResponseTime {{ {_TIMES} }}
    slaCompliance sla {{ met missed cancelled running }}
    outcomes {{ resolvedByAi escalatedResolved escalatedOpen }}
    topReasons {{ reason trigger count share }}
    byTrigger {{ trigger count share dispositions falsePositiveRate }}
    byPriority {{ priority count }}
    byAssignee {{ assignee {{ name }} count medianFirstResponseSeconds slaCompliance }}
    falsePositiveRate dispositionCoverage avertedRate
    series(interval: DAY, timezone: $zone) {{
      start conversations escalations escalationRate slaCompliance medianResolutionSeconds
    }} }} }}"""
_WHAT_IF = """query($agent: ID!, $from: DateTime!, $to: DateTime!, $thresholds: [Float!]!, $delay: Int) {
  thresholdWhatIf(agentId: $agent, from: $from, to: $to, thresholds: $thresholds, delaySeconds: $delay) {
    threshold escalatedConversations escalationRate precision recall dispositions } }"""
_CALIBRATION = """query($agent: ID!, $from: DateTime!, $to: DateTime!, $bins: Int!) {
  confidenceCalibration(agentId: $agent, from: $from, to: $to, bins: $bins) {
    from to replies conversations escalatedConversations needed notNeeded } }"""
_DISPOSITION = """mutation($id: ID!, $to: Disposition) {
  setDisposition(escalationId: $id, disposition: $to) { escalation { id } } }"""


def _period(days: int, exact: bool) -> tuple[str, str]:
    """Return a period of so many days; at random, and with borders on no full hour, unless it is exact."""
    if exact:
        return (END - timedelta(days=days)).isoformat(), END.isoformat()
    start = FIRST_DAY + timedelta(days=random.random() * (DAYS - days))
    return start.isoformat(), (start + timedelta(days=days, minutes=7)).isoformat()


class Measurement:
    """Requests to one server, and the latencies of their answers."""

    def __init__(self, staged: Stage, agent: str, key: str, requests: int) -> None:
        self._staged = staged
        self._requests = requests
        self._agent = agent
        self._key = key
        self.lines: list[tuple[str, ...]] = []

    def _request(self, query: str, variables: dict[str, Any]) -> bytes:
        body = json.dumps({"query": query, "variables": {"agent": self._agent, **variables}}).encode()
        return post(self._staged.target, "/graphql", body, self._key)

    async def measure(
        self, name: str, target_ms: float, query: str, variables: Callable[[], dict[str, Any]]
    ) -> None:
        """Send requests one after the other, each with variables of its own."""

        def requests(size: int) -> Iterator[bytes]:
            return (self._request(query, variables()) for _ in range(size))

        begins = b'{"data":{"'
        await run(self._staged.target, Asked(requests(WARM_UP), begins), 1, 600)
        before = self._staged.server.cpu_seconds(), self._staged.postgres.cpu_seconds()
        sample = await run(self._staged.target, Asked(requests(self._requests), begins), 1, 600)
        cpu = self._staged.server.cpu_seconds() - before[0], self._staged.postgres.cpu_seconds() - before[1]
        taken = [1000 * seconds for seconds in sample.latencies]
        self.lines.append(
            (
                name,
                number(median(taken)),
                number(quantiles(taken, n=100, method="inclusive")[98]),
                number(target_ms),
                *(number(1000 * seconds / self._requests) for seconds in cpu),
            )
        )
        say(f"{name}: p50 {self.lines[-1][1]} ms, p99 {self.lines[-1][2]} ms")

    async def measure_after_write(self, ids: list[str]) -> None:
        """Measure the whole document right after a disposition has changed somewhere in the two years."""
        turn = count()
        url = f"http://{self._staged.target.host}:{self._staged.target.port}/graphql"
        async with httpx.AsyncClient(headers={"authorization": f"Bearer {self._key}"}) as client:
            taken = []
            for _ in range(self._requests):
                place = next(turn)
                given = {"id": ids[place % len(ids)], "to": ("SPAM", "NEEDED")[place // len(ids) % 2]}
                written = await client.post(url, json={"query": _DISPOSITION, "variables": given})
                assert "errors" not in written.json(), written.text
                start, end = _period(DAYS, True)
                given = {"agent": self._agent, "from": start, "to": end, "zone": random.choice(ZONES)}
                began = time.perf_counter()
                answer = await client.post(url, json={"query": _ANALYTICS, "variables": given})
                taken.append(1000 * (time.perf_counter() - began))
                assert "errors" not in answer.json(), answer.text[:500]
        p99 = quantiles(taken, n=100, method="inclusive")[98]
        self.lines.append(
            ("escalationAnalytics after a write", number(median(taken)), number(p99), "50.0", "–", "–")
        )
        say(f"after a write: p50 {median(taken):.1f} ms, p99 {p99:.1f} ms")


async def _measure(staged: Stage, facts: dict[str, Any], requests: int) -> list[tuple[str, ...]]:
    measured = Measurement(staged, facts["agents"][0], facts["key"], requests)

    def analytics(days: int, exact: bool) -> dict[str, Any]:
        start, end = _period(days, exact)
        return {"from": start, "to": end, "zone": random.choice(ZONES)}

    def what_if(delay: int | None) -> dict[str, Any]:
        start, end = _period(365, False)
        return {"from": start, "to": end, "thresholds": [5.0 * step for step in range(21)], "delay": delay}

    def calibration() -> dict[str, Any]:
        start, end = _period(random.choice((30, 365, 700)), False)
        return {"from": start, "to": end, "bins": random.randint(1, 100)}

    name = "escalationAnalytics, every field, daily series"
    await measured.measure(f"{name}, two years", 50, _ANALYTICS, lambda: analytics(DAYS, True))
    await measured.measure(f"{name}, any 700 days", 50, _ANALYTICS, lambda: analytics(700, False))
    await measured.measure(f"{name}, any 30 days", 50, _ANALYTICS, lambda: analytics(30, False))
    await measured.measure("thresholdWhatIf, 21 thresholds, a year", 150, _WHAT_IF, lambda: what_if(None))
    await measured.measure(
        "thresholdWhatIf, the same, any delay", 150, _WHAT_IF, lambda: what_if(random.randint(1, 900))
    )
    await measured.measure("confidenceCalibration, 1 to 100 bins", 50, _CALIBRATION, calibration)
    await measured.measure_after_write(facts["resolved"])
    return measured.lines


async def _prepare(staged: Stage, owner_url: str, scale: float) -> dict[str, Any]:
    """Load the data set and return what the measurement needs to know."""
    tenant = staged.new_tenant("analytics")
    url = f"http://{staged.target.host}:{staged.target.port}/graphql"
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {tenant.api_key}"}) as client:
        agents = [tenant.agent_id]
        for name in ("Second", "Third"):
            query = f'mutation {{ createAgent(name: "{name}") {{ id }} }}'
            answer = await client.post(url, json={"query": query})
            agents.append(answer.json()["data"]["createAgent"]["id"])
        answer = await client.post(url, json={"query": "{ viewer { workspace { id } } }"})
        workspace = answer.json()["data"]["viewer"]["workspace"]["id"]
        began = time.monotonic()
        keys = [parse_id(AGENT, agent) for agent in agents]
        await load(owner_url, parse_id(WORKSPACE, workspace), keys, scale)
        say(f"loaded in {time.monotonic() - began:.0f} s")
        query = "{ escalations(filter: {status: [RESOLVED]}, first: 100) { nodes { id } } }"
        nodes = (await client.post(url, json={"query": query})).json()["data"]["escalations"]["nodes"]
    return {"agents": agents, "key": tenant.api_key, "resolved": [node["id"] for node in nodes]}


async def _omit_search_index(owner_url: str) -> None:
    """End the filling of the search index, which would take its time from the measurement."""
    connection = await asyncpg.connect(owner_url)
    await connection.execute("DELETE FROM search_fills")
    await connection.close()


def main() -> None:
    """Load, rebuild, measure, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytics", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full data set")
    parser.add_argument("--data", type=Path, help="a folder that keeps the data set for the next time")
    parser.add_argument("--requests", type=int, default=60, help="requests of each kind")
    given = parser.parse_args()
    with stage(folder=given.data) as staged:
        owner_url = staged.database_url.replace("//baton@", "//baton_owner@")
        existing = staged.data_dir / "bench-analytics.json"
        if not existing.exists():
            facts = asyncio.run(_prepare(staged, owner_url, given.scale))
            existing.write_text(json.dumps(facts))
            began = time.monotonic()
            subprocess.run([BATON, "analytics", "rebuild"], env=with_data(staged.data_dir), check=True)
            say(f"rebuilt in {time.monotonic() - began:.0f} s")
        facts = json.loads(existing.read_text())
        asyncio.run(_omit_search_index(owner_url))
        named = surroundings(staged)
        lines = asyncio.run(_measure(staged, facts, given.requests))
        key = parse_id(AGENT, facts["agents"][0])
        period = FIRST_DAY.isoformat(), END.isoformat()
        plain = asyncio.run(plain_sql(owner_url, key, *period))
        duck = asyncio.run(duckdb_sql(owner_url, key, *period))
    print("\n".join(table(("", ""), [*named, ("Data set", f"scale {given.scale:g}")])), end="\n\n")
    print(
        "\n".join(
            table(("asked", "p50 ms", "p99 ms", "target ms", "server CPU ms", "PostgreSQL CPU ms"), lines)
        )
    )
    print(f"\nThe main figures of two years by plain SQL: {plain:.2f} s.", end=" ")
    print("DuckDB is not installed." if duck is None else f"In DuckDB, in memory, 2 threads: {duck:.2f} s.")


if __name__ == "__main__":
    main()
