"""Drafts and replies of people with the same text: the customer gets it once."""

from functools import partial

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.locks import Scene, outcomes, send, team

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


def draft(scene: Scene, content: str) -> str:
    """Record a reply that is held, and return its id."""
    message = scene.key.record(scene.conversation, "ASSISTANT", content)["message"]
    assert message["status"] == "HELD"
    return str(message["id"])


async def test_draft_whose_copy_was_sent_as_a_reply_is_not_sent_again(scene: Scene) -> None:
    (member,) = team(scene.workspace, 1)
    escalation = scene.escalate()
    held, twin = draft(scene, "a draft\n"), draft(scene, "a draft")
    async with scene.locked() as lock:
        calls = await lock.in_order(
            partial(member.reply, escalation, "a draft"), partial(member.send_draft, held)
        )
    assert (await outcomes(*calls))[1] == "CONFLICT"
    before = scene.rows()
    again = partial(member.send_draft, twin), partial(member.send_draft, held, " a draft")
    assert await outcomes(*map(send, again)) == ["CONFLICT", "CONFLICT"]
    assert scene.rows() == before
    assert member.send_draft(held, "in other words")["message"]["content"] == "in other words"
    assert member.discard_draft(twin)["status"] == "DISCARDED"


async def test_draft_that_says_what_a_person_said_before_it_came_is_sent(scene: Scene) -> None:
    (member,) = team(scene.workspace, 1)
    member.reply(scene.escalate(), "Hello!")
    assert member.send_draft(draft(scene, "Hello!"))["message"]["status"] == "DELIVERED"
