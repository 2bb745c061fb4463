"""Data of each earlier revision after the upgrade: it is served, and its clocks have timers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from pgqueuer.queries import Queries

from rules.typeid import AGENT, CONVERSATION, DELIVERY, ESCALATION, WEBHOOK_ENDPOINT, format_id
from tests.support.baton_client import Caller, Server, wait_for
from tests.support.baton_process import ROW_SECURITY, run_baton
from tests.support.older_data import SECRET, OlderData, revisions, upgrade
from tests.support.own_database import own_database

pytestmark = pytest.mark.anyio

*EARLIER, NEWEST = revisions()
WITH_TIMERS, WITH_DELIVERIES = "0002", "0003"
QUERY = """query($c: ID!, $e: ID!) {
    conversation(id: $c) { ai { state } customer { email } messages(first: 9) { nodes { role content } } }
    escalation(id: $e) { status sla { outcome status } notes { body } triggers { trigger count }
        timeline(first: 9) { nodes { kind } } } }"""
DELIVERIES = """query($id: ID!) { deliveries { nodes { id status attempts { response } } }
    escalationSettings(agentId: $id) { notifications { webhooks { id enabled } } } }"""
JOBS = "SELECT payload, execute_after FROM pgqueuer WHERE entrypoint = ANY($1)"


@asynccontextmanager
async def database_at(server: Server, revision: str) -> AsyncIterator[tuple[Server, asyncpg.Connection]]:
    """Yield a database at a revision, and a connection of its owner."""
    with own_database(server) as own:
        await upgrade(own.owner_url, revision)
        connection = await asyncpg.connect(own.owner_url)
        try:
            if revision >= WITH_TIMERS:
                await Queries.from_asyncpg_connection(connection).install()
            yield own, connection
        finally:
            await connection.close()


async def written(connection: asyncpg.Connection) -> OlderData:
    """Write rows as the version of the database's revision wrote them."""
    data = OlderData(connection, datetime.now(UTC))
    await data.write()
    return data


def serve(own: Server) -> str:
    """Start a process of this version on the database, and return its URL."""
    urls = {"BATON_DATABASE_URL": own.service_url, "BATON_MIGRATION_URL": own.owner_url}
    if ROW_SECURITY:
        # A process that serves does not turn it on.
        migrated = run_baton("migrate", **urls)
        assert migrated.returncode == 0, migrated.stderr
    own.start(**urls, BATON_SECRET_KEY=SECRET)
    return own.url


async def check_timers(connection: asyncpg.Connection, data: OlderData) -> None:
    """Check that each row that waits for an instant has one timer, at that instant."""
    expected = {clock.escalation_id.bytes: clock.at for clock in data.clocks}
    expected |= {pending_id.bytes: at for pending_id, at in data.pending.items()}
    jobs = await connection.fetch(JOBS, ["sla_clock", "pending_escalation"])
    assert sorted(job["payload"] for job in jobs) == sorted(expected)
    for job in jobs:
        assert abs((job["execute_after"] - expected[job["payload"]]).total_seconds()) < 1


def check_answers(url: str, data: OlderData) -> None:
    """Check that the service answers with the rows, and changes them."""
    key = Caller(url, data.api_key)
    escalations = [clock.escalation_id for clock in data.clocks]
    for clock, status in zip(data.clocks, ("ON_TRACK", "AT_RISK"), strict=True):
        ids = {
            "c": format_id(CONVERSATION, clock.conversation_id),
            "e": format_id(ESCALATION, clock.escalation_id),
        }
        answer = key.ask(QUERY, **ids)
        assert answer["conversation"]["ai"]["state"] == "PAUSED"
        assert answer["conversation"]["customer"]["email"] == "customer@old.example"
        assert [node["content"] for node in answer["conversation"]["messages"]["nodes"]] == [
            "marzipan",
            "A reply",
        ]
        escalation = answer["escalation"]
        assert escalation["sla"] == {"outcome": "RUNNING", "status": status}
        assert escalation["notes"] == [{"body": "A note"}]
        assert escalation["triggers"] == [{"trigger": "API", "count": 1}]
        assert [node["kind"] for node in escalation["timeline"]["nodes"]] == ["created"]
    listed = key.ask("{ escalations(first: 9) { nodes { id } totalCount } }")["escalations"]
    assert {node["id"] for node in listed["nodes"]} == {
        format_id(ESCALATION, id_) for id_ in (*escalations, data.answered_id)
    }
    search = '{ conversations(filter: { search: "marzipan" }) { totalCount } }'
    wait_for(lambda: key.ask(search)["conversations"]["totalCount"] == 3, "the words of old messages")
    replied = key.reply(format_id(ESCALATION, escalations[0]))["escalation"]
    assert (replied["status"], replied["sla"]["outcome"]) == ("IN_PROGRESS", "MET")


def check_deliveries(url: str, data: OlderData) -> None:
    answer: dict[str, Any] = Caller(url, data.api_key).ask(DELIVERIES, id=format_id(AGENT, data.agent_id))
    (endpoint,) = answer["escalationSettings"]["notifications"]["webhooks"]
    assert endpoint == {"id": format_id(WEBHOOK_ENDPOINT, data.endpoint_id), "enabled": True}
    nodes = answer["deliveries"]["nodes"]
    (delivery,) = [node for node in nodes if node["id"] == format_id(DELIVERY, data.delivery_id)]
    assert (delivery["status"], delivery["attempts"]) == ("DELIVERED", [{"response": "204"}])


@pytest.mark.parametrize("revision", EARLIER)
async def test_data_of_each_earlier_revision_is_served_and_its_clocks_have_timers(
    server: Server, revision: str
) -> None:
    async with database_at(server, revision) as (own, connection):
        data = await written(connection)
        url = await asyncio.to_thread(serve, own)
        await check_timers(connection, data)
        await asyncio.to_thread(check_answers, url, data)
        if revision >= WITH_DELIVERIES:
            await asyncio.to_thread(check_deliveries, url, data)


async def test_rows_of_the_previous_version_next_to_this_one_are_served(server: Server) -> None:
    async with database_at(server, EARLIER[-1]) as (own, connection):
        data = OlderData(connection, datetime.now(UTC))
        await data.learn()
        url = await asyncio.to_thread(serve, own)
        # A process of the previous version still runs, and knows only the columns of its own tables.
        await data.write()
        await check_timers(connection, data)
        await asyncio.to_thread(check_answers, url, data)
        await asyncio.to_thread(check_deliveries, url, data)
