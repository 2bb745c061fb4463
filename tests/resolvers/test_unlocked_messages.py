"""Messages that are recorded without a lock: what changes the conversation meanwhile counts."""

import asyncio
from functools import partial
from typing import Any

import pytest

from models.database import WRITE_CONNECTIONS
from realtime.write_turns import WRITES_AHEAD, WRITES_OF_WORKSPACE
from rules.typeid import CONVERSATION, WORKSPACE, parse_id
from tests.support.baton_client import Server, Workspace
from tests.support.counted_statements import counted_api
from tests.support.locks import Scene, hold, outcomes, send, team
from tests.support.log_audit import Ledger

pytestmark = pytest.mark.anyio

RECORD = """mutation($input: RecordMessageInput!) { recordMessage(input: $input) {
    message { position status } ai { state } } }"""


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


def answer(scene: Scene) -> Any:
    return scene.key.record(scene.conversation, "ASSISTANT", "It is on its way.")


async def answer_overtaken_by(scene: Scene, change: str) -> Any:
    """Return the outcome of an answer that had read the conversation before this change of its row."""
    async with scene.locked() as lock:
        (reply,) = await lock.in_order(partial(answer, scene))
        row_id = parse_id(CONVERSATION, scene.conversation)
        await lock.connection.execute(f"UPDATE conversations SET {change} WHERE id = $1", row_id)
    (outcome,) = await outcomes(reply)
    return outcome


async def test_reply_that_was_read_before_a_pause_is_held(scene: Scene) -> None:
    recorded = await answer_overtaken_by(scene, "ai_state = 'PAUSED', ai_pause_cause = 'TEAM_MEMBER'")
    assert (recorded["message"]["status"], recorded["ai"]["state"]) == ("HELD", "PAUSED")


async def test_reply_after_a_pause_that_waits_is_held(scene: Scene) -> None:
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(scene.key.pause, scene.conversation), partial(answer, scene))
    _, recorded = await outcomes(*calls)
    assert recorded["message"]["status"] == "HELD"
    Ledger.of(scene).check()


@pytest.mark.parametrize("reopens", [False, True])
async def test_escalation_that_begins_after_the_conversation_was_read_is_reported(
    scene: Scene, reopens: bool
) -> None:
    # The AI is paused already, and a member's escalation posts nothing then.
    (member,) = team(scene.workspace, 1)
    escalation = scene.escalate()
    scene.key.resolve(escalation, keepAiPaused=True)
    begin = partial(member.reopen, escalation) if reopens else partial(member.escalate, scene.conversation)
    async with scene.locked() as lock:
        calls = await lock.in_order(begin, partial(answer, scene))
    _, recorded = await outcomes(*calls)
    assert recorded["escalation"]["status"] == "OPEN"
    Ledger.of(scene).check()


async def test_concurrent_messages_have_positions_without_gaps(scene: Scene) -> None:
    async with scene.locked() as lock:
        calls = [
            send(scene.key.record, scene.conversation, role, f"Message {place}.")
            for place, role in enumerate(["USER", "ASSISTANT"] * 4)
        ]
        await lock.queued(1)
    answers = await outcomes(*calls)
    assert sorted(item["message"]["position"] for item in answers) == list(range(1, 9))
    ledger = Ledger.of(scene)
    ledger.check()
    assert (len(ledger.messages), ledger.conversation["messages"]) == (8, 8)


async def test_writes_that_wait_for_a_row_keep_no_others_of_the_workspace_waiting(scene: Scene) -> None:
    others = [Scene.of(scene.workspace) for _ in range(3)]
    async with scene.locked() as lock:
        held = [send(scene.key.record, scene.conversation, "USER", f"Hello {n}.") for n in range(3)]
        await lock.queued(WRITES_OF_WORKSPACE)
        calls = [send(other.key.record, other.conversation, "USER", "Hello.") for other in others]
        assert [recorded["message"]["position"] for recorded in await outcomes(*calls)] == [1, 1, 1]
        assert not any(call.done() for call in held)
    assert sorted(recorded["message"]["position"] for recorded in await outcomes(*held)) == [1, 2, 3]
    Ledger.of(scene).check()


async def test_writes_of_a_locked_workspace_keep_no_other_workspace_waiting(
    scene: Scene, server: Server
) -> None:
    scenes = [Scene.of(scene.workspace) for _ in range(WRITE_CONNECTIONS + 4)]
    quiet = Scene.of(server.new_workspace())
    async with hold(server, "streams", parse_id(WORKSPACE, scene.workspace.id)) as lock:
        held = [send(locked.key.record, locked.conversation, "USER", "Hello.") for locked in scenes]
        await lock.queued(WRITES_OF_WORKSPACE + WRITES_AHEAD)
        recorded = await asyncio.to_thread(quiet.key.record, quiet.conversation, "USER", "Hello.")
        assert recorded["message"]["position"] == 1
        # In one queue with the others, it would follow the five that got a connection after these.
        assert sum(call.done() for call in held) < 5
    await outcomes(*held)
    Ledger.of(scene).check()


async def test_message_of_an_erased_customer_is_refused(scene: Scene) -> None:
    assert await answer_overtaken_by(scene, "erased_at = now()") == "CONFLICT"
    ledger = Ledger.of(scene)
    assert (ledger.messages, ledger.conversation["messages"]) == ([], 0)


async def test_plain_message_takes_two_statements(scene: Scene) -> None:
    async with counted_api(scene.server) as api:
        context = await api.context(scene.key)
        given = {"conversationId": scene.conversation, "role": "USER", "content": "Where is my parcel?"}
        answer, statements = await api.ask(context, RECORD, input=given)
    message = {"position": 1, "status": "DELIVERED"}
    assert answer["data"] == {"recordMessage": {"message": message, "ai": {"state": "ACTIVE"}}}
    assert len(statements) == 2, statements


async def test_message_reports_no_escalation_without_a_statement(scene: Scene) -> None:
    query = "mutation($input: RecordMessageInput!) { recordMessage(input: $input) { escalation { id } } }"
    given = {"conversationId": scene.conversation, "role": "USER", "content": "Where is my parcel?"}
    async with counted_api(scene.server) as api:
        context = await api.context(scene.key)
        answer, without = await api.ask(context, query, input=given)
        assert answer["data"]["recordMessage"] == {"escalation": None}
        escalation = scene.escalate()
        answer, with_one = await api.ask(context, query, input=given)
    assert answer["data"]["recordMessage"] == {"escalation": {"id": escalation}}
    assert (len(without), len(with_one)) == (2, 3)
