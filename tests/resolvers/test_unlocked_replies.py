"""Replies of people without a lock: what changes the rows that they read meanwhile counts."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest

from rules.typeid import MEMBER, parse_id
from tests.support.baton_client import Server, Workspace
from tests.support.counted_statements import counted_api
from tests.support.locks import Contender, Scene, hold, is_counted, outcomes, send, team
from tests.support.log_audit import Ledger

pytestmark = pytest.mark.anyio

REPLY = """mutation($input: ReplyInput!) { replyToEscalation(input: $input) {
    message { position } escalation { status version } } }"""


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


@pytest.fixture
def member(workspace: Workspace) -> Contender:
    """A team member who can answer."""
    (contender,) = team(workspace, 1)
    return contender


def member_key(member: Contender) -> UUID:
    answer = member.ask("{ viewer { member { id } } }")
    return parse_id(MEMBER, answer["viewer"]["member"]["id"])


async def reply_overtaken_by(scene: Scene, member: Contender, table: str, key: UUID, change: str) -> Any:
    """Return the outcome of a reply that had read its rows before this change of one of them."""
    escalation = scene.escalate()
    key = scene.escalation_uuid(escalation) if table == "escalations" else key
    async with hold(scene.server, table, key) as lock:
        (reply,) = await lock.in_order(partial(member.reply, escalation))
        await lock.connection.execute(f"UPDATE {table} SET {change} WHERE id = $1", key)
    (outcome,) = await outcomes(reply)
    return outcome


async def test_reply_that_was_read_before_a_priority_keeps_it(scene: Scene, member: Contender) -> None:
    change = "priority = 'URGENT', version = 7"
    replied = await reply_overtaken_by(scene, member, "escalations", scene.uuid, change)
    assert replied["escalation"]["version"] == 8
    (row,) = scene.server.rows("SELECT * FROM escalations WHERE conversation_id = $1", scene.uuid)
    assert (row["priority"], row["version"], row["status"]) == ("URGENT", 8, "IN_PROGRESS")


async def test_reply_that_was_read_before_a_resolution_is_refused(scene: Scene, member: Contender) -> None:
    change = "status = 'RESOLVED', resolved_at = now()"
    assert await reply_overtaken_by(scene, member, "escalations", scene.uuid, change) == "CONFLICT"
    ledger = Ledger.of(scene)
    assert [message["role"] for message in ledger.messages] == ["SYSTEM"]
    assert ledger.conversation["messages"] == 1


async def test_reply_that_was_read_before_an_erasure_is_refused(scene: Scene, member: Contender) -> None:
    refused = await reply_overtaken_by(scene, member, "conversations", scene.uuid, "erased_at = now()")
    assert refused == "CONFLICT"
    assert [message["role"] for message in Ledger.of(scene).messages] == ["SYSTEM"]


@pytest.mark.parametrize("change", ["removed_at = now()", "role = 'VIEWER'"])
async def test_reply_of_a_member_who_lost_the_right_meanwhile_is_refused(
    scene: Scene, member: Contender, change: str
) -> None:
    refused = await reply_overtaken_by(scene, member, "members", member_key(member), change)
    assert refused == "UNAUTHENTICATED"
    ledger = Ledger.of(scene)
    ledger.check()
    assert [message["role"] for message in ledger.messages] == ["SYSTEM"]
    assert ledger.escalations[0]["assignee_id"] is None


async def test_concurrent_replies_have_positions_without_gaps(scene: Scene, workspace: Workspace) -> None:
    members, escalation = team(workspace, 6), scene.escalate()
    async with scene.locked() as lock:
        calls = [send(member.reply, escalation) for member in members]
        await lock.queued(1)
    answers = await outcomes(*calls)
    assert is_counted(sorted(item["message"]["position"] - 1 for item in answers))
    ledger = Ledger.of(scene)
    ledger.check()
    assert ledger.kinds(scene.escalation_uuid(escalation)).count("replied") == 6


async def test_reply_takes_two_statements(scene: Scene, member: Contender) -> None:
    given = {"escalationId": scene.escalate(), "content": "It is on its way."}
    async with counted_api(scene.server) as api:
        context = await api.context(member)
        first, of_first = await api.ask(context, REPLY, input=given)
        second, of_second = await api.ask(context, REPLY, input=given)
    assert [answer["data"]["replyToEscalation"]["message"]["position"] for answer in (first, second)] == [
        2,
        3,
    ]
    assert (len(of_first), len(of_second)) == (2, 2)
