"""Races that the database settles: who was first at the conversation's lock, and who finds what was done."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from models.row_scope import connect_across
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Server, Workspace
from tests.support.locks import MANY, Scene, hold, outcomes, send, team
from tests.support.log_audit import Ledger, listening

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


# ---- claiming


async def test_concurrent_claims_have_one_winner(workspace: Workspace, scene: Scene) -> None:
    members, escalation = team(workspace, 20), scene.escalate()
    async with scene.locked() as lock:
        claims = [send(member.claim, escalation) for member in members]
        await lock.queued(MANY)
    answers = await outcomes(*claims)

    assert sorted(map(str, answers)).count("CONFLICT") == 19
    (won,) = (answer["escalation"] for answer in answers if answer != "CONFLICT")
    assert won["version"] == 2
    assert scene.key.escalation(escalation)["assignee"]["email"] == won["assignee"]["email"]
    ledger = Ledger.of(scene)
    ledger.check()
    assert ledger.kinds(scene.escalation_uuid(escalation)) == ["created", "ai_paused", "assigned"]
    assert ledger.published(scene.escalation_uuid(escalation)) == ["created", "assigned"]


# ---- raising


def raise_by_button(scene: Scene) -> Any:
    return scene.widget.press(scene.conversation)


def raise_by_phrase(scene: Scene) -> Any:
    return scene.widget.record(scene.conversation, "USER", "I want to talk to a human")


def raise_by_form(scene: Scene) -> Any:
    return scene.widget.submit(scene.conversation)


def raise_by_tool(scene: Scene) -> Any:
    return scene.key.fail(scene.conversation)


def raise_by_api(scene: Scene) -> Any:
    return scene.key.escalate(scene.conversation, "by a call")


ROUTES = {
    "BUTTON": raise_by_button,
    "PHRASE": raise_by_phrase,
    "FORM": raise_by_form,
    "TOOL_FAILURE": raise_by_tool,
    "API": raise_by_api,
}


@pytest.mark.parametrize("first", ROUTES)
async def test_concurrent_triggers_raise_one_escalation(scene: Scene, first: str) -> None:
    for _ in range(2):
        scene.key.fail(scene.conversation)
    later = [route for trigger, route in ROUTES.items() for _ in range(4 - (trigger == first))]
    random.Random(first).shuffle(later)
    # The first call has the conversation's lock and waits for the log, so no other can overtake it.
    async with scene.locked("streams") as lock:
        calls = await lock.in_order(partial(ROUTES[first], scene))
        calls += [send(route, scene) for route in later]
        await lock.queued(MANY)
    answers = await outcomes(*calls)

    (id_,) = {answer["escalation"]["id"] for answer in answers}
    says = [answer["created"] for answer in answers if "created" in answer]
    assert (answers[0].get("created", True), says.count(True)) == (True, int("created" in answers[0]))
    escalation = scene.key.escalation(id_)
    assert escalation["trigger"] == escalation["triggers"][0]["trigger"] == first
    fired = {item["trigger"]: item["count"] for item in escalation["triggers"]}
    assert fired == dict.fromkeys(ROUTES, 4)
    assert len(escalation["triggers"]) == escalation["version"] == len(ROUTES)

    ledger = Ledger.of(scene)
    ledger.check()
    (row,) = ledger.escalations
    assert ledger.kinds(row["id"]) == ["created", "ai_paused", *["triggered"] * 4]
    assert ledger.published(row["id"]) == ["created", *["triggered"] * 4]
    assert (ledger.count("conversation.escalated"), ledger.count("conversation.ai_paused")) == (1, 1)
    confirmations = [message["content"] for message in ledger.messages if message["role"] == "SYSTEM"]
    assert confirmations == [row["confirmation"]]


async def test_database_refuses_a_second_active_escalation(scene: Scene) -> None:
    first = scene.escalation_uuid(scene.escalate())
    columns = scene.server.rows(
        """SELECT string_agg(quote_ident(column_name), ', ') AS names FROM information_schema.columns
           WHERE table_name = 'escalations' AND is_generated = 'NEVER'"""
    )[0]["names"]
    copy = f"""INSERT INTO escalations ({columns})
        SELECT {columns} FROM jsonb_populate_record(NULL::escalations, (
            SELECT to_jsonb(e) || jsonb_build_object('id', gen_random_uuid(), 'status', $2::text)
            FROM escalations AS e WHERE id = $1)) RETURNING id"""
    connection = await connect_across(scene.server.service_url)
    try:
        for status in ("OPEN", "IN_PROGRESS"):
            with pytest.raises(asyncpg.UniqueViolationError, match="escalations_active_key"):
                await connection.fetchval(copy, first, status)
        # A resolved escalation may exist next to it, until it is reopened.
        resolved = await connection.fetchval(copy, first, "RESOLVED")
        with pytest.raises(asyncpg.UniqueViolationError, match="escalations_active_key"):
            await connection.execute("UPDATE escalations SET status = 'OPEN' WHERE id = $1", resolved)
    finally:
        await connection.close()
    assert [item["id"] for item in Ledger.of(scene).active] == [first]


# ---- changing


async def test_concurrent_updates_of_one_version_have_one_winner(scene: Scene) -> None:
    escalation = scene.escalate()
    priorities = ["LOW", "HIGH", "URGENT", "HIGH", "LOW"] * 2
    async with scene.locked() as lock:
        updates = [
            send(scene.key.update, escalation, priority=priority, note=f"note {place}", expectedVersion=1)
            for place, priority in enumerate(priorities)
        ]
        await lock.queued(10)
    answers = await outcomes(*updates)

    (winner,) = (place for place, answer in enumerate(answers) if answer != "CONFLICT")
    assert answers.count("CONFLICT") == 9
    result = scene.key.escalation(escalation)
    assert (result["version"], result["priority"]) == (2, priorities[winner])
    assert [note["body"] for note in result["notes"]] == [f"note {winner}"]
    ledger = Ledger.of(scene)
    ledger.check()
    assert ledger.published(scene.escalation_uuid(escalation)) == ["created", "priority_changed", "noted"]


async def test_reply_overtaken_by_a_resolution_is_refused(scene: Scene) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = await lock.in_order(
            partial(scene.key.resolve, escalation), partial(scene.key.reply, escalation)
        )
    resolved, replied = await outcomes(*calls)
    assert (resolved["status"], resolved["sla"]["outcome"], replied) == ("RESOLVED", "CANCELLED", "CONFLICT")
    ledger = Ledger.of(scene)
    ledger.check()
    kinds = ledger.kinds(scene.escalation_uuid(escalation))
    assert kinds == ["created", "ai_paused", "resolved", "ai_resumed"]
    assert [message["role"] for message in ledger.messages] == ["SYSTEM", "SYSTEM"]
    assert ledger.conversation["ai_state"] == "ACTIVE"


async def test_reply_just_before_a_resolution_counts(scene: Scene) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = await lock.in_order(
            partial(scene.key.reply, escalation), partial(scene.key.resolve, escalation)
        )
    replied, resolved = await outcomes(*calls)
    assert replied["escalation"]["status"] == "IN_PROGRESS"
    assert (resolved["status"], resolved["sla"]["outcome"]) == ("RESOLVED", "MET")
    ledger = Ledger.of(scene)
    ledger.check()
    kinds = ledger.kinds(scene.escalation_uuid(escalation))
    assert kinds == ["created", "ai_paused", "replied", "status_changed", "resolved", "ai_resumed"]
    assert [message["role"] for message in ledger.messages] == ["SYSTEM", "HUMAN", "SYSTEM"]


async def test_concurrent_resolutions_have_one_winner(scene: Scene) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = [send(scene.key.resolve, escalation, note=f"by {place}") for place in range(10)]
        await lock.queued(10)
    answers = await outcomes(*calls)
    (winner,) = (place for place, answer in enumerate(answers) if answer != "CONFLICT")
    assert answers.count("CONFLICT") == 9
    assert scene.key.escalation(escalation)["resolution"]["note"] == f"by {winner}"
    ledger = Ledger.of(scene)
    ledger.check()
    assert ledger.published(scene.escalation_uuid(escalation)) == ["created", "resolved"]
    assert (ledger.count("conversation.resolved"), ledger.conversation["ai_epoch"]) == (1, 3)


async def test_reopening_before_a_new_escalation_takes_it_in(scene: Scene) -> None:
    escalation = scene.escalate()
    scene.key.resolve(escalation)
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(scene.key.reopen, escalation), partial(raise_by_button, scene))
    reopened, pressed = await outcomes(*calls)
    assert reopened["escalation"]["status"] == "OPEN"
    assert (pressed["created"], pressed["escalation"]["id"]) == (False, escalation)
    ledger = Ledger.of(scene)
    ledger.check()
    assert [item["id"] for item in ledger.active] == [scene.escalation_uuid(escalation)]
    assert (ledger.conversation["ai_state"], ledger.conversation["ai_epoch"]) == ("PAUSED", 4)


async def test_reopening_after_a_new_escalation_is_refused(scene: Scene) -> None:
    escalation = scene.escalate()
    scene.key.resolve(escalation)
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(raise_by_button, scene), partial(scene.key.reopen, escalation))
    pressed, reopened = await outcomes(*calls)
    assert (pressed["created"], reopened) == (True, "CONFLICT")
    ledger = Ledger.of(scene)
    ledger.check()
    assert [item["id"] for item in ledger.active] == [scene.escalation_uuid(pressed["escalation"]["id"])]
    kinds = ledger.kinds(scene.escalation_uuid(escalation))
    assert kinds == ["created", "ai_paused", "resolved", "ai_resumed"]


async def test_trigger_just_before_a_resolution_is_resolved_with_it(scene: Scene) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(raise_by_button, scene), partial(scene.key.resolve, escalation))
    pressed, resolved = await outcomes(*calls)
    assert (pressed["created"], resolved["status"]) == (False, "RESOLVED")
    ledger = Ledger.of(scene)
    ledger.check()
    assert (ledger.active, ledger.conversation["ai_state"]) == ([], "ACTIVE")
    assert ledger.published(scene.escalation_uuid(escalation)) == ["created", "triggered", "resolved"]


async def test_trigger_after_a_resolution_raises_a_new_escalation(scene: Scene) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(scene.key.resolve, escalation), partial(raise_by_button, scene))
    _, pressed = await outcomes(*calls)
    assert pressed["created"]
    ledger = Ledger.of(scene)
    ledger.check()
    assert [item["id"] for item in ledger.active] == [scene.escalation_uuid(pressed["escalation"]["id"])]
    assert (ledger.conversation["ai_state"], ledger.conversation["ai_epoch"]) == ("PAUSED", 4)
    assert ledger.published(scene.escalation_uuid(escalation)) == ["created", "resolved"]


# ---- what is rolled back


async def test_refused_calls_leave_and_publish_nothing(workspace: Workspace, scene: Scene) -> None:
    first, second = team(workspace, 2)
    closed = scene.escalate()
    scene.key.resolve(closed)
    escalation = scene.escalate()
    first.claim(escalation)
    stranger = {"assignTo": "stranger@example.com"}
    refused: list[tuple[str, Callable[[], Any]]] = [
        ("CONFLICT", partial(second.claim, escalation)),
        ("CONFLICT", partial(scene.key.reopen, closed)),
        ("CONFLICT", partial(scene.key.reopen, escalation)),
        ("CONFLICT", partial(scene.key.reply, closed)),
        ("CONFLICT", partial(scene.key.resolve, closed)),
        ("CONFLICT", partial(scene.key.update, closed, priority="HIGH", note="a note")),
        ("CONFLICT", partial(scene.key.update, escalation, priority="HIGH", expectedVersion=1)),
        # Found out in the middle, when some of it was written.
        ("BAD_USER_INPUT", partial(scene.key.update, escalation, priority="HIGH", **stranger)),
        ("BAD_USER_INPUT", partial(scene.key.escalate, scene.conversation, **stranger)),
        ("BAD_USER_INPUT", partial(scene.key.record, scene.conversation, "ASSISTANT", "?", epoch=99)),
        ("BAD_USER_INPUT", partial(scene.key.reply, escalation, authorEmail="stranger@example.com")),
    ]
    async with listening(scene) as check_events:
        before = scene.rows()
        codes = await outcomes(*(send(call) for _, call in refused))
        assert codes == [code for code, _ in refused]
        assert scene.rows() == before
        await check_events()


async def test_call_that_fails_at_its_last_step_leaves_and_publishes_nothing(scene: Scene) -> None:
    escalation = scene.escalate()
    before = scene.rows()
    workspace = parse_id(WORKSPACE, scene.workspace.id)
    async with listening(scene) as check_events:
        # It has written everything but the workspace's log when its connection is cut.
        async with hold(scene.server, "streams", workspace) as lock:
            (reply,) = await lock.in_order(partial(scene.key.resolve, escalation))
            (pid,) = await lock.queued(1)
            service = await asyncpg.connect(scene.server.service_url)
            try:
                assert await service.fetchval("SELECT pg_terminate_backend($1)", pid)
            finally:
                await service.close()
            assert await outcomes(reply) == ["UNAVAILABLE"]
        assert scene.rows() == before
        await check_events()
    scene.key.resolve(escalation)
    Ledger.of(scene).check()


# ---- all kinds concurrently


def latest(scene: Scene) -> str:
    """Return the active escalation, or else the last one."""
    conversation = scene.key.conversation(scene.conversation)
    return str((conversation["activeEscalation"] or conversation["escalations"]["nodes"][0])["id"])


def storm_of(scene: Scene) -> list[Callable[[], Any]]:
    """Return mutations of every kind; each reads its own target."""
    key, conversation = scene.key, scene.conversation
    acts: list[tuple[int, Callable[[], Any]]] = [
        (6, partial(scene.widget.record, conversation, "USER", "my parcel is late")),
        (6, partial(key.record, conversation, "ASSISTANT", "it is on its way")),
        (2, partial(key.record, conversation, "ASSISTANT", "perhaps", confidence=3)),
        (2, partial(raise_by_button, scene)),
        (2, partial(raise_by_phrase, scene)),
        (2, partial(raise_by_api, scene)),
        (4, lambda: key.resolve(latest(scene))),
        (3, lambda: key.reopen(latest(scene))),
        (4, lambda: key.reply(latest(scene))),
        (3, lambda: key.update(latest(scene), priority="URGENT", note="hurry")),
        (3, partial(key.pause, conversation)),
        (3, partial(key.resume, conversation)),
    ]
    return [act for times, act in acts for _ in range(times)]


@pytest.mark.parametrize("seed", range(2))
async def test_storm_of_calls_leaves_a_complete_log(workspace: Workspace, seed: int) -> None:
    scenes = [Scene.of(workspace) for _ in range(2)]
    for scene in scenes:
        scene.escalate()
    acts = [act for scene in scenes for act in storm_of(scene)]
    random.Random(seed).shuffle(acts)
    streams = [parse_id(WORKSPACE, workspace.id), *(scene.uuid for scene in scenes)]
    over = asyncio.Event()
    watching = asyncio.create_task(watch_positions(workspace, streams, over))
    answers = await outcomes(*map(send, acts))
    over.set()

    assert {answer for answer in answers if isinstance(answer, str)} <= {"CONFLICT"}
    assert len(await watching) > 5
    for scene in scenes:
        Ledger.of(scene).check()


async def watch_positions(workspace: Workspace, streams: list[UUID], over: asyncio.Event) -> set[int]:
    """Read the log until `over`, assert that positions appear in order, and return the entries."""
    connection = await asyncpg.connect(workspace.server.owner_url)
    seen = set()
    try:
        while not over.is_set():
            # One statement sees one state of the database.
            for row in await connection.fetch(
                """SELECT head, count(position) AS entries, coalesce(max(position), 0) AS last
                   FROM streams LEFT JOIN log ON stream = id WHERE id = ANY($1) GROUP BY id""",
                streams,
            ):
                assert row["head"] == row["entries"] == row["last"]
                seen.add(row["head"])
    finally:
        await connection.close()
    return seen
