"""`python -m bench.search`: loads millions of messages and measures searches and lists."""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from bench.client import Asked, post, run
from bench.environment import surroundings
from bench.rounds import say
from bench.search_data import WORDS, fill_index, load_conversations, word
from bench.server_under_test import Stage, Tenant, stage
from bench.tables import number, table
from rules.typeid import AGENT, WORKSPACE, parse_id

WARM_UP, REQUESTS = 3, 40
TARGET_MS = 300
SMALL = 0.01  # of the full size: a workspace next to the large one

_CONVERSATIONS = """query($filter: ConversationFilter, $order: ConversationOrder! = CREATED_DESC) {
  conversations(filter: $filter, orderBy: $order, first: 50) {
    pageInfo { endCursor hasNextPage } nodes { id createdAt customer { name } } } }"""
_ESCALATIONS = """query($filter: EscalationFilter, $order: EscalationOrder! = CREATED_DESC) {
  escalations(filter: $filter, orderBy: $order, first: 50) {
    pageInfo { endCursor hasNextPage } nodes { id status priority reason sla { dueAt status } } } }"""
_COUNTS = {
    _CONVERSATIONS: """query($filter: ConversationFilter) {
      conversations(filter: $filter, first: 1) { totalCount } }""",
    _ESCALATIONS: """query($filter: EscalationFilter) {
      escalations(filter: $filter, first: 1) { totalCount } }""",
}
# Ranks of words; the share of messages that hold a word falls from 86 % to 0.02 %.
_RANKS = {"86 %": 0, "30 %": 1, "a tenth": 8, "1 %": 200, "0.1 %": 3_000, "0.02 %": WORDS - 1}


def _searches() -> dict[str, list[str]]:
    """Return searches by what they are."""
    words = {f"word in {share} of messages": [word(rank)] for share, rank in _RANKS.items()}
    rare = [word(rank) for rank in range(WORDS - 20, WORDS)]
    return words | {
        "rare words": rare,
        "frequent and rare word": [f"{word(1)} {other}" for other in rare],
        "two frequent words": [f"{word(0)} {word(1)}", f"{word(1)} {word(5)}"],
        "prefix of one letter": ["b", "t"],
        "prefix of three letters": [word(rank)[:3] for rank in range(20)],
        "no hit": [f"zzz{number}" for number in range(20)],
        "frequent word and no hit": [f"{word(0)} zzz{number}" for number in range(20)],
    }


def _conversation_lists(own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        "conversations": {},
        "conversations, oldest first": {"order": "CREATED_ASC"},
        "conversations, last message first": {"order": "LAST_MESSAGE_DESC"},
        "conversations of an AI agent": {"filter": own},
        "conversations, escalated": {"filter": {"escalated": True}},
        "conversations, not escalated": {"filter": {"escalated": False}},
        "conversations, AI paused": {"filter": {"aiState": "PAUSED"}},
        "conversations, awaiting the AI": {"filter": {"awaitingAi": True}},
        "conversations of an email": {"filter": {"customerEmail": "nobody@example.com"}},
        "conversations of an external id": {"filter": {"customerExternalId": "none"}},
    }


def _escalation_lists(own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    orders: dict[str, dict[str, Any]] = {
        f"escalations by {order}": {"order": order}
        for order in ("CREATED_DESC", "CREATED_ASC", "DUE_ASC", "PRIORITY_DESC")
    }
    open_ones = {f"{name}, open": {**given, "filter": {"status": ["OPEN"]}} for name, given in orders.items()}
    filters: dict[str, dict[str, Any]] = {
        "of an AI agent": own,
        "urgent": {"priority": ["URGENT"]},
        "unassigned": {"unassigned": True},
        "breached": {"slaStatus": ["BREACHED"]},
        "at risk": {"slaStatus": ["AT_RISK"]},
        "missed and not answered": {"slaOutcome": ["MISSED"], "answered": False},
        "by button": {"trigger": ["BUTTON"]},
        "duplicates": {"disposition": ["DUPLICATE"]},
        "spam, of which there is none": {"disposition": ["SPAM"]},
        "to review": {"reviewed": False, "status": ["RESOLVED"]},
        "of a day": {"createdFrom": "2025-03-01T00:00:00Z", "createdTo": "2025-03-02T00:00:00Z"},
    }
    return orders | open_ones | {f"escalations, {name}": {"filter": f} for name, f in filters.items()}


def _lists(agent: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the document and the variables of each list."""
    own = {"agentId": agent}
    conversations, escalations = _conversation_lists(own), _escalation_lists(own)
    deliveries = "query($status: DeliveryStatus) { deliveries(status: $status) { nodes { id status } } }"
    return (
        {name: (_CONVERSATIONS, given) for name, given in conversations.items()}
        | {name: (_ESCALATIONS, given) for name, given in escalations.items()}
        | _counts(_CONVERSATIONS, conversations)
        | _counts(_ESCALATIONS, escalations)
        | {
            "escalationCounts": (
                "{ escalationCounts { open inProgress unassigned mine atRisk breached } }",
                {},
            ),
            "deliveries": (deliveries, {}),
            "deliveries, failed": (deliveries, {"status": "FAILED"}),
            "deliveries, pending (none)": (deliveries, {"status": "PENDING"}),
            "auditLog": ("{ auditLog { nodes { position } } }", {}),
            "members": ("{ members { id name } }", {}),
            "agents": ("{ agents { id name } }", {}),
            "apiKeys": ("{ apiKeys { id name } }", {}),
            "savedReplies": ('{ savedReplies(search: "parcel") { id } }', {}),
        }
    )


def _counts(query: str, lists: dict[str, dict[str, Any]]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        f"count of {name}": (_COUNTS[query], given) for name, given in lists.items() if "order" not in given
    }


class Measurement:
    """Requests to one server, and the latencies of their answers."""

    def __init__(self, staged: Stage, key: str) -> None:
        self._staged = staged
        self._key = key
        self.lines: list[tuple[str, ...]] = []

    async def measure(self, name: str, query: str, variables: Sequence[dict[str, Any]]) -> None:
        """Send a request with each of the variables in turn, one after the other."""

        def requests(size: int) -> Iterator[bytes]:
            for place in range(size):
                given = {"query": query, "variables": variables[place % len(variables)]}
                yield post(self._staged.target, "/graphql", json.dumps(given).encode(), self._key)

        target = self._staged.target
        await run(target, Asked(requests(WARM_UP), b'{"'), 1, 60)
        before = self._staged.postgres.cpu_seconds()
        sample = await run(target, Asked(requests(REQUESTS), b'{"'), 1, 60, keep_bodies=True)
        cpu = (self._staged.postgres.cpu_seconds() - before) / len(sample.latencies)
        failed = sum(b'"errors"' in body for body in sample.bodies)
        taken = [1000 * seconds for seconds in sample.latencies]
        cuts = quantiles(taken, n=100, method="inclusive")
        late = "late" if cuts[94] > TARGET_MS else ""
        self.lines.append(
            (name, number(cuts[49]), number(cuts[94]), number(1000 * cpu), str(failed or ""), late)
        )
        say(" | ".join(self.lines[-1]))


async def _measure(staged: Stage, facts: dict[str, Any]) -> list[tuple[str, ...]]:
    large, small = (Measurement(staged, facts[name]["key"]) for name in ("large", "small"))
    for list_name, query in (("conversations", _CONVERSATIONS), ("escalations", _ESCALATIONS)):
        for name, words in _searches().items():
            given: list[dict[str, Any]] = [{"filter": {"search": search}} for search in words]
            await large.measure(f"{list_name}: {name}", query, given)
            await large.measure(f"{list_name}: count of {name}", _COUNTS[query], given)
            await small.measure(f"{list_name} of a small workspace: {name}", query, given)
        order = "LAST_MESSAGE_DESC" if list_name == "conversations" else "PRIORITY_DESC"
        for share, rank in _RANKS.items():
            given = [{"filter": {"search": word(rank)}, "order": order}]
            await large.measure(f"{list_name} by {order}: word in {share}", query, given)
    for name, (query, variables) in _lists(facts["large"]["agents"][0]).items():
        await large.measure(name, query, [variables])
    return large.lines + small.lines


async def _prepare(staged: Stage, tenant: Tenant, owner_url: str, scale: float) -> dict[str, Any]:
    """Load one workspace and return what the measurement needs to know."""
    url = f"http://{staged.target.host}:{staged.target.port}/graphql"
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {tenant.api_key}"}) as client:
        agents = [tenant.agent_id]
        for name in ("Second", "Third"):
            query = f'mutation {{ createAgent(name: "{name}") {{ id }} }}'
            answer = await client.post(url, json={"query": query})
            agents.append(answer.json()["data"]["createAgent"]["id"])
        answer = await client.post(url, json={"query": "{ viewer { workspace { id } } }"})
        workspace = answer.json()["data"]["viewer"]["workspace"]["id"]
    keys = [parse_id(AGENT, agent) for agent in agents]
    await load_conversations(owner_url, parse_id(WORKSPACE, workspace), keys, scale)
    return {"agents": agents, "key": tenant.api_key}


async def _prepare_all(staged: Stage, scale: float) -> dict[str, Any]:
    owner_url = staged.database_url.replace("//baton@", "//baton_owner@")
    began = time.monotonic()
    facts = {
        name: await _prepare(staged, staged.new_tenant(name), owner_url, size)
        for name, size in (("small", SMALL * scale), ("large", scale))
    }
    await fill_index(owner_url)
    say(f"loaded in {time.monotonic() - began:.0f} s")
    return facts


def main() -> None:
    """Load, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full data set")
    parser.add_argument("--data", type=Path, help="a folder that keeps the data set for the next time")
    given = parser.parse_args()
    with stage(folder=given.data) as staged:
        existing = staged.data_dir / "bench-search.json"
        if not existing.exists():
            existing.write_text(json.dumps(asyncio.run(_prepare_all(staged, given.scale))))
        named = surroundings(staged)
        lines = asyncio.run(_measure(staged, json.loads(existing.read_text())))
    print("\n".join(table(("", ""), [*named, ("Data set", f"scale {given.scale:g}")])), end="\n\n")
    print("\n".join(table(("asked", "p50 ms", "p95 ms", "PostgreSQL CPU ms", "errors", ""), lines)))


if __name__ == "__main__":
    main()
