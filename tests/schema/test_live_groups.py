"""Identical subscriptions with the same visibility share one execution, with unchanged results."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from realtime.cursor import Cursor
from tests.support.baton_client import DEADLINE, Caller, Refused, Server, Socket, Workspace
from tests.support.conversation_driver import Talk
from tests.support.open_subscriptions import all_begun, wait_for_subscriptions

pytestmark = pytest.mark.anyio

MESSAGES = """subscription Messages($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) { cursor occurredAt message {
    id position role status content confidence intents metadata createdAt author { name email } } } }"""
CHANGES = """subscription Changes($id: ID!) { conversationUpdated(conversationId: $id) { cursor kind typing
  conversation { id ai { state epoch pausedBy } button { visible } customer { name email }
    activeEscalation { id status createdAt assignee { name email } } metadata } } }"""
CREATED = """subscription { escalationCreated { cursor kind escalation { id status priority reason triggers {
  trigger detail } assignee { name email } conversation { id } agent { name } } } }"""
UPDATED = """subscription { escalationUpdated { cursor kind escalation { id status
  notes { body author { email } } timeline { nodes { kind data actor { email } } } } } }"""
TURNS = """subscription { turnRequested { cursor epoch message { content } conversation { id } } }"""
EVERYBODYS, TEAMS, BACK_ENDS = (MESSAGES, CHANGES), (CREATED, UPDATED), (TURNS,)


@pytest.fixture
def talk(workspace: Workspace) -> Talk:
    return Talk.begin(workspace)


@asynccontextmanager
async def sockets(*callers: Caller) -> AsyncIterator[list[Socket]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(caller.socket()) for caller in callers]


async def follow(socket: Socket, document: str, talk: Talk) -> str:
    given = {"id": talk.id} if "$id" in document else {}
    return await socket.subscribe(document, **given)


def alone(document: str, who: int) -> str:
    """Return the same subscription by a name of its own, so that no other subscriber shares it."""
    return re.sub(r"^subscription (\w+)", rf"subscription \g<1>{who}", document)


async def said_next(socket: Socket, number: int) -> dict[int, list[Any]]:
    """Return the next payloads of a socket by operation, with errors."""
    said: dict[int, list[Any]] = {}
    for _ in range(number):
        message = await socket.receive()
        assert message["type"] == "next", message
        said.setdefault(int(message["id"]), []).append(message["payload"])
    return said


NOTE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { version } } }"
CLAIM = "mutation($e: ID!) { claimEscalation(escalationId: $e) { escalation { version } } }"
RECORD = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
REPLY = "mutation($i: ReplyInput!) { replyToEscalation(input: $i) { message { id } } }"


def acts(talk: Talk, member: Caller) -> Iterator[tuple[int, int]]:
    """Something of everything; after each, how many events the team and the customers hear of it."""
    talk.says("Where is my parcel?", metadata={"page": "/orders"})
    yield 1, 1
    talk.answers(confidence=91.5)
    yield 1, 1
    escalation = talk.key.escalate(talk.id, "VIP")["escalation"]["id"]
    yield 1 + 2 + 1 + 1, 1 + 2  # the confirmation, escalated and ai_paused, created twice
    talk.answers(confidence=12)
    yield 1, 0
    member.ask(NOTE, i={"escalationId": escalation, "note": "is angry", "priority": "URGENT"})
    yield 2, 0
    member.ask(CLAIM, e=escalation)
    yield 1 + 1, 1
    member.ask(REPLY, i={"escalationId": escalation, "content": "I have it here."})
    yield 1 + 2, 1


async def test_shared_results_equal_those_of_separate_executions(talk: Talk) -> None:
    workspace = talk.workspace
    ada, bob = workspace.member("ada@example.com"), workspace.member("bob@example.com")
    reads = workspace.key_with("CONVERSATIONS_READ", "ESCALATIONS_READ")
    team = [workspace.key, workspace.key, ada, bob, reads]
    customers = [workspace.widget(talk.started), Caller(workspace.server.url, _fresh_token(talk))]
    async with sockets(*team, *customers) as opened:
        followed = [*[EVERYBODYS + TEAMS] * len(team), *[EVERYBODYS] * len(customers)]
        async with all_begun(workspace.server, 2 * sum(map(len, followed))):
            for place, (documents, socket) in enumerate(zip(followed, opened, strict=True)):
                for document in documents:
                    await follow(socket, document, talk)
                    await follow(socket, alone(document, place), talk)
        drafts = 0
        steps = acts(talk, ada)
        while counts := await asyncio.to_thread(next, steps, None):
            of_team, of_customers = counts
            said = [await said_next(socket, 2 * of_team) for socket in opened[: len(team)]]
            said += [await said_next(socket, 2 * of_customers) for socket in opened[len(team) :]]
            for item in said:
                assert {id_: item[id_] for id_ in item if id_ % 2} == {
                    id_ - 1: item[id_] for id_ in item if not id_ % 2
                }
            assert (said[0], said[2], said[5]) == (said[1], said[3], said[6])
            drafts += '"HELD"' in json.dumps(said[0])
            assert '"HELD"' not in json.dumps(said[-1])
    assert drafts == 1


def _fresh_token(talk: Talk) -> str:
    query = "mutation($id: ID!) { refreshWidgetToken(conversationId: $id) }"
    return str(talk.key.ask(query, id=talk.id)["refreshWidgetToken"])


def figures(server: Server) -> tuple[float, float]:
    """Return the numbers of executed and of delivered results."""
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    result = [
        re.search(rf"^baton_live_{name}_total (\S+)$", text, re.M) for name in ("executions", "deliveries")
    ]
    executed, delivered = (float(item[1]) if item else 0.0 for item in result)
    return executed, delivered


async def test_equal_subscriptions_share_one_execution(talk: Talk) -> None:
    workspace = talk.workspace
    other = workspace.key_with("CONVERSATIONS_READ")
    viewers = [workspace.key] * 20 + [other] * 5
    async with sockets(*viewers) as opened:
        async with all_begun(workspace.server, len(opened)):
            for place, socket in enumerate(opened):
                # White space, commas and comments make no difference.
                await follow(socket, f"# {place}\n{MESSAGES}".replace(" ", " ," * (place % 3 + 1)), talk)
        executed, delivered = await asyncio.to_thread(figures, workspace.server)
        await asyncio.to_thread(talk.says, "Hello?")
        for socket in opened:
            await socket.next("1")
        now_executed, now_delivered = await asyncio.to_thread(figures, workspace.server)
    assert (now_executed - executed, now_delivered - delivered) == (2, 25)


async def test_returning_subscriber_joins_by_cursor_without_gap_or_repeat(talk: Talk) -> None:
    async with sockets(talk.key, talk.key) as (steady, late):
        async with all_begun(talk.workspace.server, 1):
            heard = await follow(steady, MESSAGES, talk)
        for number in range(30):
            await asyncio.to_thread(talk.says, f"message {number}")
        events = [(await steady.next(heard))["messageAdded"] for _ in range(30)]
        saying = asyncio.create_task(asyncio.to_thread(_say, talk, range(30, 60)))
        ids = [
            await late.subscribe(MESSAGES, id=talk.id, after=events[place]["cursor"]) for place in (0, 9, 28)
        ]
        for place, id_ in zip((0, 9, 28), ids, strict=True):
            result = [(await late.next(id_))["messageAdded"]["message"]["content"] for _ in range(59 - place)]
            assert result == [f"message {number}" for number in range(place + 1, 60)]
        await saying


async def test_event_before_the_cursor_of_a_subscriber_is_not_delivered(talk: Talk) -> None:
    cursor_of = "query($id: ID!) { conversation(id: $id) { cursor } }"
    rounds, abreast = 8, 6
    last = rounds * abreast
    begun: dict[str, int] = {}  # the position after which each operation started
    async with (
        sockets(talk.key, talk.key) as (steady, later),
        httpx.AsyncClient(trust_env=False, headers=talk.key.headers, timeout=60) as client,
    ):
        async with all_begun(talk.workspace.server, 1):
            await follow(steady, MESSAGES, talk)

        async def ask(query: str, **variables: Any) -> Any:
            body = {"query": query, "variables": variables}
            return (await client.post(f"{talk.key.url}/graphql", json=body)).json()["data"]

        async def record_and_follow() -> None:
            # The group still executes the last messages, because many arrive together.
            for number in range(rounds):
                await ask(RECORD, i={"conversationId": talk.id, "role": "ASSISTANT", "content": f"{number}"})
                cursor = (await ask(cursor_of, id=talk.id))["conversation"]["cursor"]
                id_ = await later.subscribe(MESSAGES, id=talk.id, after=cursor)
                begun[id_] = Cursor.parse(cursor).position

        await asyncio.gather(*(record_and_follow() for _ in range(abreast)))
        await ask(RECORD, i={"conversationId": talk.id, "role": "ASSISTANT", "content": "the end"})
        heard: dict[str, list[int]] = {id_: [] for id_ in begun}
        while any(item[-1:] != [last + 1] for item in heard.values()):
            message = await later.receive()
            event = message["payload"]["data"]["messageAdded"]
            heard[message["id"]].append(event["message"]["position"])
    assert heard == {id_: list(range(after + 1, last + 2)) for id_, after in begun.items()}


async def test_typing_is_delivered_with_the_present_cursor(talk: Talk) -> None:
    typing = "mutation($id: ID!) { setTyping(conversationId: $id, typing: true) }"
    changes = """subscription Back($id: ID!, $after: String) {
        conversationUpdated(conversationId: $id, after: $after) { cursor kind } }"""
    begun = talk.started["conversation"]["cursor"]
    await asyncio.to_thread(talk.key.escalate, talk.id)
    async with sockets(talk.key, talk.key) as (back, fresh):
        id_ = await back.subscribe(changes, id=talk.id, after=begun)
        last = [(await back.next(id_))["conversationUpdated"] for _ in range(2)][-1]
        async with all_begun(talk.workspace.server, 1, besides=1):
            of_fresh = await fresh.subscribe(changes, id=talk.id)
        await asyncio.to_thread(talk.workspace.member("ada@example.com").ask, typing, id=talk.id)
        event = (await fresh.next(of_fresh))["conversationUpdated"]
        assert event["kind"] == "typing_started"
        assert Cursor.parse(event["cursor"]).position >= Cursor.parse(last["cursor"]).position


async def test_backlog_missed_by_many_is_read_once(talk: Talk) -> None:
    missed, many = 30, 25
    async with sockets(*[talk.key] * (many + 1)) as (steady, *others):
        async with all_begun(talk.workspace.server, 1):
            heard = await follow(steady, MESSAGES, talk)
        await asyncio.to_thread(_say, talk, range(missed + 1))
        cursors = [(await steady.next(heard))["messageAdded"]["cursor"] for _ in range(missed + 1)]
        await steady.send(id=heard, type="complete")
        await asyncio.to_thread(wait_for_subscriptions, talk.workspace.server, 0)
        executed, _ = await asyncio.to_thread(figures, talk.workspace.server)
        for place, socket in enumerate(others):
            await socket.subscribe(MESSAGES, id=talk.id, after=cursors[place % 2])
        for place, socket in enumerate(others):
            result = [(await socket.next("1"))["messageAdded"]["cursor"] for _ in range(missed - place % 2)]
            assert result == cursors[place % 2 + 1 :]
        now_executed, _ = await asyncio.to_thread(figures, talk.workspace.server)
    # Read once, and once more by one who was a message further.
    assert now_executed - executed <= 2 * missed


_WAITING = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass"


async def test_caller_replays_one_page_of_the_log_at_a_time(talk: Talk) -> None:
    after = (await asyncio.to_thread(talk.key.conversation, talk.id))["cursor"]
    await asyncio.to_thread(_say, talk, range(3))
    widget = Caller(talk.workspace.server.url, _fresh_token(talk))
    owner = await asyncpg.connect(talk.workspace.server.owner_url)

    async def reads(number: int) -> None:
        async with asyncio.timeout(DEADLINE):
            while len(await owner.fetch(_WAITING)) != number:  # noqa: ASYNC110 - nothing notifies of it
                await asyncio.sleep(0.02)

    try:
        async with sockets(*[widget] * 4, *[talk.key] * 2) as opened:
            transaction = owner.transaction()
            await transaction.start()
            await owner.execute("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
            async with all_begun(talk.workspace.server, len(opened)):
                for who, socket in enumerate(opened):
                    await socket.subscribe(alone(MESSAGES, who), id=talk.id, after=after)
            # One of the customer's and one of the key's; the others have joined, and wait for their turn.
            await reads(2)
            await transaction.commit()
            for socket in opened:
                contents = [(await socket.next("1"))["messageAdded"]["message"]["content"] for _ in range(3)]
                assert contents == ["message 0", "message 1", "message 2"]
    finally:
        await owner.close()


def _say(talk: Talk, numbers: range) -> None:
    for number in numbers:
        talk.says(f"message {number}")


async def test_slow_reader_misses_nothing_and_delays_nobody(talk: Talk) -> None:
    number, long = 420, "x" * 19_000
    async with sockets(talk.key, talk.key) as (slow, quick):
        async with all_begun(talk.workspace.server, 2):
            behind = await follow(slow, MESSAGES, talk)
            ahead = await follow(quick, MESSAGES, talk)
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            places = asyncio.Semaphore(8)

            async def record(place: int) -> None:
                given = {"conversationId": talk.id, "role": "ASSISTANT", "content": f"{place} {long}"}
                body = {"query": RECORD, "variables": {"i": given}}
                async with places:
                    answer = await client.post(f"{talk.key.url}/graphql", json=body, headers=talk.key.headers)
                    assert "errors" not in answer.json()

            await asyncio.gather(*map(record, range(number)))
        for socket, id_ in ((quick, ahead), (slow, behind)):
            result = [(await socket.next(id_))["messageAdded"]["message"]["position"] for _ in range(number)]
            assert result == list(range(1, number + 1))


async def test_own_typing_is_not_delivered_in_a_group_either(talk: Talk) -> None:
    ada, bob = (talk.workspace.member(f"{name}@example.com") for name in ("ada", "bob"))
    typing = "mutation($id: ID!) { setTyping(conversationId: $id, typing: true) }"
    async with sockets(ada, bob) as opened:
        async with all_begun(talk.workspace.server, 2):
            ids = [await follow(socket, CHANGES, talk) for socket in opened]
        await asyncio.to_thread(ada.ask, typing, id=talk.id)
        assert (await opened[1].next(ids[1]))["conversationUpdated"]["typing"] == "HUMAN"
        await asyncio.to_thread(talk.key.escalate, talk.id)
        assert (await opened[0].next(ids[0]))["conversationUpdated"]["kind"] == "escalated"


async def test_revoked_key_leaves_the_group_unchanged(talk: Talk) -> None:
    query = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { key apiKey { id } } }"
    made = talk.key.ask(query, i={"name": "ends", "scopes": ["CONVERSATIONS_READ"]})["createApiKey"]
    other = talk.workspace.key_with("CONVERSATIONS_READ")
    async with sockets(Caller(talk.key.url, made["key"]), other) as (revoked, stays):
        async with all_begun(talk.workspace.server, 2):
            for socket in (revoked, stays):
                await follow(socket, MESSAGES, talk)
        revoke = "mutation($id: ID!) { revokeApiKey(id: $id) { id } }"
        await asyncio.to_thread(talk.key.ask, revoke, id=made["apiKey"]["id"])
        await revoked.raw.wait_closed()
        assert revoked.raw.close_code == 4403
        await asyncio.to_thread(talk.says, "Still there?")
        assert (await stays.next("1"))["messageAdded"]["message"]["content"] == "Still there?"


async def test_later_subscriber_is_checked_like_the_first(talk: Talk, other: Workspace) -> None:
    cursor = (await asyncio.to_thread(talk.key.conversation, talk.id))["cursor"]
    unable = talk.workspace.key_with("ANALYTICS_READ")
    async with sockets(talk.key, talk.key, unable, other.key) as (first, later, forbidden, foreign):
        async with all_begun(talk.workspace.server, 1):
            follows = await follow(first, MESSAGES, talk)
        for given, code in (
            ({"id": talk.id, "after": "no-cursor"}, "RESYNC_REQUIRED"),
            ({"id": talk.id, "after": f"{cursor[:-4]}AAAA"}, "RESYNC_REQUIRED"),
            ({"id": talk.id, "after": "ü"}, "RESYNC_REQUIRED"),
            ({"id": talk.id, "after": 5}, "BAD_USER_INPUT"),
            ({"id": talk.id[:-1], "after": cursor}, "BAD_USER_INPUT"),
            ({"after": cursor}, "BAD_USER_INPUT"),
        ):
            assert await _refusal(later, **given) == code, given
        assert await _refusal(forbidden, id=talk.id, after=cursor) == "FORBIDDEN"
        assert await _refusal(foreign, id=talk.id, after=cursor) == "NOT_FOUND"
        follows_later = await later.subscribe(MESSAGES, id=talk.id, after=cursor)
        await asyncio.to_thread(talk.says, "Hello.")
        for socket, id_ in ((first, follows), (later, follows_later)):
            assert (await socket.next(id_))["messageAdded"]["message"]["content"] == "Hello."


async def _refusal(socket: Socket, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        await socket.next(await socket.subscribe(MESSAGES, **given))
    return refused.value.code
