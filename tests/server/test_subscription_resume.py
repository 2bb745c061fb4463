"""Coming back by cursor: what was committed since comes in order, once, however much, or RESYNC_REQUIRED."""

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET
from socket import socket as tcp_socket
from typing import Any
from uuid import UUID

import httpx
import pytest

from models.database import Database
from models.row_scope import EVERY_WORKSPACE
from realtime.cursor import Cursor, resolve_cursor
from realtime.feed import QUEUE_LIMIT, Feed
from realtime.log import PAGE, Entry
from realtime.pubsub import Typing, Wakeup
from rules.typeid import CONVERSATION, ESCALATION, WORKSPACE, parse_id
from tests.support.baton_client import DEADLINE, Caller, Refused, Server, Socket, Workspace
from tests.support.open_subscriptions import all_begun
from tests.support.pubsub_probe import eventually

pytestmark = pytest.mark.anyio

MESSAGES = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { position } } }"""
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { cursor kind } }"""
UPDATED = """subscription($after: String) { escalationUpdated(after: $after) {
    cursor kind escalation { id } } }"""
CREATED = "subscription($after: String) { escalationCreated(after: $after) { cursor kind } }"
TURNS = "subscription($after: String) { turnRequested(after: $after) { cursor epoch } }"
CLOCKS = "subscription($after: String) { slaStatusChanged(after: $after) { cursor status } }"
NOTE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
BACKLOG, LIVE = 2_600, 20  # more than five pages of the log


def field(query: str) -> str:
    return query.partition("{")[2].partition("(")[0].strip()


@asynccontextmanager
async def streamed(caller: Caller, query: str, **variables: Any) -> AsyncIterator[AsyncIterator[Any]]:
    """Yield the results of a subscription over Server-Sent Events."""

    async def results(response: httpx.Response) -> AsyncIterator[Any]:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))

    body = {"query": query, "variables": variables}
    headers = caller.headers | {"accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(trust_env=False, timeout=30) as client,
        client.stream("POST", f"{caller.url}/graphql", json=body, headers=headers) as response,
    ):
        yield results(response)


async def by_stream(caller: Caller, number: int, query: str, **variables: Any) -> list[Any]:
    """So many events of a subscription over Server-Sent Events."""
    async with streamed(caller, query, **variables) as results:
        return [(await anext(results))["data"][field(query)] for _ in range(number)]


async def by_socket(caller: Caller, number: int, query: str, **variables: Any) -> list[Any]:
    """Return the results of a subscription over a WebSocket."""
    async with caller.socket() as socket:
        id_ = await socket.subscribe(query, **variables)
        return [(await socket.next(id_))[field(query)] for _ in range(number)]


def positions(events: Iterable[Any]) -> list[int]:
    return [Cursor.parse(event["cursor"]).position for event in events]


def write_messages(server: Server, conversation: UUID, number: int, content: str = "") -> None:
    """Write a backlog of messages directly into the database."""
    server.execute(
        """WITH bumped AS (UPDATE streams SET head = head + $2::int, head_at = now() WHERE id = $1
                           RETURNING head - $2::int AS stood),
                counted AS (UPDATE conversations SET messages = messages + $2::int WHERE id = $1
                            RETURNING messages - $2::int AS stood),
                said AS (INSERT INTO messages (id, conversation_id, position, role, status, content,
                                               intents, created_at)
                         SELECT gen_random_uuid(), $1, stood + n, 'USER', 'DELIVERED', $3 || n, '{}', now()
                         FROM counted, generate_series(1, $2::int) AS n RETURNING id, position)
           INSERT INTO log (stream, position, type, data, occurred_at)
           SELECT $1, bumped.stood + row_number() OVER (ORDER BY position), 'message.added',
                  jsonb_build_object('message', id, 'status', 'DELIVERED'), now() FROM bumped, said""",
        conversation,
        number,
        content,
    )


async def test_pages_of_messages_come_once_while_more_are_said(workspace: Workspace) -> None:
    key, begun = workspace.key, workspace.start()
    started = begun["conversation"]
    here = {"id": started["id"], "after": started["cursor"]}
    write_messages(workspace.server, parse_id(CONVERSATION, started["id"]), BACKLOG)
    first = await by_stream(key, 10, MESSAGES, **here)
    customer = workspace.widget(begun)
    saying = asyncio.create_task(_say(key, started["id"]))
    later, whole = await asyncio.gather(
        by_socket(key, BACKLOG + LIVE - 10, MESSAGES, id=started["id"], after=first[-1]["cursor"]),
        by_stream(customer, BACKLOG + LIVE, MESSAGES, **here),
    )
    await saying
    everything = list(range(1, BACKLOG + LIVE + 1))
    for events in (first + later, whole):
        assert positions(events) == everything
        assert [event["message"]["position"] for event in events] == everything


async def _say(key: Caller, conversation: str) -> None:
    for number in range(LIVE):
        await asyncio.to_thread(key.record, conversation, "USER", f"live {number}")


async def test_pages_of_a_workspaces_stream_come_once_while_more_happens(workspace: Workspace) -> None:
    key, server, stream = workspace.key, workspace.server, parse_id(WORKSPACE, workspace.id)
    cursor = key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    escalation = key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    # Among them are entries that this subscription passes over.
    server.execute(
        """WITH bumped AS (UPDATE streams SET head = head + $2::int, head_at = now() WHERE id = $1
                           RETURNING head - $2::int AS stood),
                model AS (SELECT data FROM log WHERE stream = $1 AND type = 'escalation.created')
           INSERT INTO log (stream, position, type, data, occurred_at)
           SELECT $1, stood + n, CASE WHEN n % 5 = 0 THEN 'turn.requested' ELSE 'escalation.noted' END,
                  model.data, now() FROM bumped, model, generate_series(1, $2::int) AS n""",
        stream,
        BACKLOG,
    )
    noting = asyncio.create_task(_note(key, escalation))
    number = BACKLOG * 4 // 5 + 1 + LIVE
    heard = await asyncio.gather(
        by_socket(key, number, UPDATED, after=cursor), by_stream(key, number, UPDATED, after=cursor)
    )
    await noting
    written = _concerning(server, stream)
    assert len(written) == number
    for events in heard:
        assert positions(events) == written
        assert {event["escalation"]["id"] for event in events} == {escalation}


def _concerning(server: Server, stream: UUID) -> list[int]:
    query = "SELECT position FROM log WHERE stream = $1 AND type LIKE 'escalation.%' ORDER BY position"
    return [row["position"] for row in server.rows(query, stream)]


async def _note(key: Caller, escalation: str) -> None:
    for number in range(LIVE):
        given = {"escalationId": escalation, "note": f"note {number}"}
        await asyncio.to_thread(key.ask, NOTE, i=given)


def forged(stream: UUID, position: int, micros: int) -> str:
    return (
        base64.urlsafe_b64encode(struct.pack(">16sqq", stream.bytes, position, micros)).decode().rstrip("=")
    )


def invalid_cursors(conversation: dict[str, Any], escalation_id: UUID) -> list[str]:
    """Return cursors that belong to no stream, or to no position of the conversation's."""
    stream = parse_id(CONVERSATION, conversation["id"])
    good = Cursor.parse(conversation["cursor"])
    micros = int(good.at.timestamp() * 1_000_000)
    return [
        "",
        "=",
        "é",
        "\x00",
        "x" * 10_000,
        conversation["cursor"] + "AA",
        conversation["cursor"][:-1],
        " " + conversation["cursor"],
        forged(stream, -1, micros),
        forged(stream, 2**63 - 1, micros),
        forged(stream, 10_000, micros),
        forged(stream, 1, micros - 1),
        forged(stream, 1, 2**63 - 1),
        forged(stream, 1, -(2**63)),
        forged(UUID(int=0), 0, micros),
        forged(escalation_id, 0, micros),
    ]


async def test_cursor_is_valid_for_its_own_stream_only(workspace: Workspace, other: Workspace) -> None:
    key, started = workspace.key, workspace.start()["conversation"]
    of_workspace = key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    of_others = other.key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    escalation = key.escalate(started["id"])["escalation"]["id"]
    invalid = [*invalid_cursors(started, parse_id(ESCALATION, escalation)), of_others]
    async with key.socket() as socket:
        for query, foreign in (
            *((subscription, [*invalid, of_workspace]) for subscription in (MESSAGES, CHANGES)),
            *(
                (subscription, [*invalid, started["cursor"]])
                for subscription in (CREATED, UPDATED, TURNS, CLOCKS)
            ),
        ):
            given = {"id": started["id"]} if "$id" in query else {}
            for cursor in foreign:
                assert await _refusal(socket, query, **given, after=cursor) == "RESYNC_REQUIRED", (
                    query,
                    cursor,
                )
    async with streamed(key, CREATED, after=of_others) as results:
        (error,) = (await anext(results))["errors"]
        assert error["extensions"]["code"] == "RESYNC_REQUIRED"
        with pytest.raises(StopAsyncIteration):
            await anext(results)


async def test_cursors_are_shared_by_the_subscriptions_of_a_stream(workspace: Workspace) -> None:
    key, started = workspace.key, workspace.start()["conversation"]
    of_workspace = key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    escalation = key.escalate(started["id"])["escalation"]["id"]
    async with key.socket() as socket:
        changed = await socket.next(
            await socket.subscribe(CHANGES, id=started["id"], after=started["cursor"])
        )
        said = await socket.next(await socket.subscribe(MESSAGES, id=started["id"], after=started["cursor"]))
        created = (await socket.next(await socket.subscribe(CREATED, after=of_workspace)))[
            "escalationCreated"
        ]
        for query, after in (
            (MESSAGES, changed["conversationUpdated"]["cursor"]),
            (CHANGES, said["messageAdded"]["cursor"]),
        ):
            async with all_begun(workspace.server, 1, besides=3):
                id_ = await socket.subscribe(query, id=started["id"], after=after)
            await socket.send(id=id_, type="complete")
        id_ = await socket.subscribe(UPDATED, after=created["cursor"])
        await asyncio.to_thread(key.ask, NOTE, i={"escalationId": escalation, "note": "later"})
        assert (await socket.next(id_))["escalationUpdated"]["kind"] == "noted"


async def test_entry_purged_while_a_backlog_is_read_is_not_skipped(workspace: Workspace) -> None:
    """The cursor's entry and the page after it exist; then some entries are purged."""
    key, server, started = workspace.key, workspace.server, workspace.start()["conversation"]
    stream = parse_id(CONVERSATION, started["id"])
    write_messages(server, stream, BACKLOG)
    gone = range(PAGE + 1, PAGE + 11)
    server.execute("DELETE FROM log WHERE stream = $1 AND position = ANY($2)", stream, list(gone))
    (last,) = server.rows("SELECT occurred_at FROM log WHERE stream = $1 AND position = $2", stream, PAGE)
    cursors = {0: started["cursor"], PAGE: str(Cursor(stream, PAGE, last["occurred_at"]))}
    async with key.socket() as socket:
        for position, cursor in cursors.items():
            id_ = await socket.subscribe(MESSAGES, id=started["id"], after=cursor)
            events = [(await socket.next(id_))["messageAdded"] for _ in range(PAGE - position)]
            assert positions(events) == list(range(position + 1, PAGE + 1))
            with pytest.raises(Refused) as refused:
                await socket.next(id_)
            assert refused.value.code == "RESYNC_REQUIRED"
        assert (await socket.next(await socket.subscribe("{ viewer { kind } }")))["viewer"]


async def _refusal(client: Socket, query: str, **variables: Any) -> str:
    with pytest.raises(Refused) as refused:
        await client.next(await client.subscribe(query, **variables))
    return refused.value.code


async def test_typing_pushes_nothing_out_of_a_full_queue(workspace: Workspace) -> None:
    started = workspace.start()["conversation"]
    server, stream = workspace.server, parse_id(CONVERSATION, started["id"])
    write = """WITH bumped AS (UPDATE streams SET head = $3::int WHERE id = $1)
        INSERT INTO log (stream, position, type, data, occurred_at)
        SELECT $1, n, 'conversation.escalated', '{}', now() FROM generate_series($2::int, $3::int) AS n"""
    server.execute(write, stream, 1, 1)
    database = Database(server.service_url, scope=EVERY_WORKSPACE)
    feed = Feed(database)
    place = await resolve_cursor(database, stream, started["cursor"])
    batches = feed.follow(place)
    try:
        async with asyncio.timeout(DEADLINE):
            assert [item.position for item in await anext(batches) if isinstance(item, Entry)] == [1]
            # The client reads nothing, the queue is full, and then a typing signal arrives.
            server.execute(write, stream, 2, QUEUE_LIMIT + 1)
            feed.wake(Wakeup(stream, QUEUE_LIMIT + 1))
            await eventually(lambda: feed._streams[stream].position > QUEUE_LIMIT)
            feed.publish_typing(Typing(stream, "USER", "somebody", True))
            result: list[int] = []
            while len(result) < QUEUE_LIMIT:
                result += [item.position for item in await anext(batches) if isinstance(item, Entry)]
        assert result == list(range(2, QUEUE_LIMIT + 2))
    finally:
        await batches.aclose()
        await database.close()


async def test_slow_reader_costs_little_more_than_its_events(workspace: Workspace) -> None:
    # It is caught up on again and again, each time from where it stopped.
    key, started = workspace.key, workspace.start()["conversation"]
    stream = parse_id(CONVERSATION, started["id"])
    query = MESSAGES.replace("position", "position content")
    narrow = tcp_socket()
    narrow.setsockopt(SOL_SOCKET, SO_RCVBUF, 16_384)
    narrow.connect(("127.0.0.1", workspace.server.port))
    narrow.setblocking(False)
    async with key.socket(sock=narrow, max_queue=1) as slow:
        async with all_begun(workspace.server, 1):
            id_ = await slow.subscribe(query, id=started["id"])
        before = await executions(workspace.server)
        for _ in range(8):
            await asyncio.to_thread(write_messages, workspace.server, stream, 300, "x" * 19_000)
            await asyncio.to_thread(key.record, started["id"], "USER", "one more")
        number = 8 * 301
        events = [(await slow.next(id_))["messageAdded"] for _ in range(number)]
        assert positions(events) == list(range(1, number + 1))
        # A group executes what it cannot hand out, and its member once more what it has missed.
        assert await executions(workspace.server) - before <= 4 * number


async def executions(server: Server) -> float:
    """Return the number of results that the server has executed."""
    async with httpx.AsyncClient(trust_env=False) as client:
        said = (await client.get(f"{server.url}/metrics")).text
    result = re.search(r"^baton_live_executions_total (\S+)$", said, re.M)
    return float(result[1]) if result else 0.0
