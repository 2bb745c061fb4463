"""Turns of the AI: requested when control returns to it and the customer waits for an answer."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.conversation_driver import Talk, resume
from tests.support.locks import Scene, outcomes, send
from tests.support.turns import Turn, head_of, turns_after

pytestmark = pytest.mark.anyio

PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { ai { epoch } } } }"
RESUME = "mutation($id: ID!) { resumeAi(conversationId: $id) { conversation { ai { epoch } } } }"
QUESTION = "Where is my order?"


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


def pause(talk: Talk) -> None:
    talk.key.ask(PAUSE, id=talk.id)


def by_resume(talk: Talk) -> None:
    pause(talk)
    talk.says(QUESTION)
    resume(talk)


def by_resolution(talk: Talk) -> None:
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    talk.says(QUESTION)
    talk.key.resolve(escalation)


def by_status(talk: Talk) -> None:
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    talk.says(QUESTION)
    query = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { status } } }"
    talk.key.ask(query, i={"escalationId": escalation, "status": "RESOLVED"})


def by_form(talk: Talk) -> None:
    pause(talk)
    talk.submits(escalate=False)
    resume(talk)


HAND_BACKS = {"resumeAi": by_resume, "resolve": by_resolution, "status": by_status, "form": by_form}


@pytest.mark.parametrize("hand_back", HAND_BACKS.values(), ids=list(HAND_BACKS))
async def test_hand_back_with_an_unanswered_customer_requests_one_turn(
    workspace: Workspace, hand_back: Callable[[Talk], None]
) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    hand_back(talk)
    (turn,) = await turns_after(workspace, cursor, talk.id)
    assert turn.epoch == 3
    assert turn.latest
    assert talk.published[-2:] == ["conversation.ai_resumed", "turn.requested"]
    reply = talk.answers(epoch=turn.epoch)
    assert reply["message"]["status"] == "DELIVERED"


async def test_hand_back_by_a_human_reply_requests_no_turn(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace, ai={"resumeOn": "HUMAN_REPLY"}), head_of(workspace)
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    talk.says(QUESTION)
    talk.key.reply(escalation)
    assert talk.state["ai"]["state"] == "ACTIVE"
    assert await turns_after(workspace, cursor, talk.id) == []


async def test_hand_back_after_a_reply_to_an_earlier_message_requests_a_turn(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    talk.says("A first question")
    talk.key.reply(escalation)
    talk.says("A second question")
    talk.key.resolve(escalation)
    assert await turns_after(workspace, cursor, talk.id) == [Turn("A second question", 3, True)]


async def test_hand_back_requests_no_turn_for_a_message_of_the_back_end(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    pause(talk)
    talk.key.record(talk.id, "USER", QUESTION)
    resume(talk)
    assert await turns_after(workspace, cursor, talk.id) == []


async def test_hand_back_requests_no_turn_for_a_message_that_the_ai_answered(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    talk.says(QUESTION)
    talk.answers()
    pause(talk)
    resume(talk)
    assert await turns_after(workspace, cursor, talk.id) == [Turn(QUESTION, 1, True)]


async def test_held_reply_leaves_the_customer_unanswered(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    talk.says(QUESTION)
    pause(talk)
    assert talk.answers(epoch=1)["message"]["status"] == "HELD"
    resume(talk)
    assert await turns_after(workspace, cursor, talk.id) == [Turn(QUESTION, 1, True), Turn(QUESTION, 3, True)]


async def test_each_hand_back_requests_the_turn_for_its_own_epoch(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    by_resume(talk)
    pause(talk)
    resume(talk)
    resume(talk)
    assert [turn.epoch for turn in await turns_after(workspace, cursor, talk.id)] == [3, 5]


async def test_turn_that_newer_words_overtook_is_not_the_latest(workspace: Workspace) -> None:
    talk, cursor = Talk.begin(workspace), head_of(workspace)
    for words in ("one", "two", "three"):
        talk.says(words)
    assert await turns_after(workspace, cursor, talk.id) == [
        Turn("one", 1, False),
        Turn("two", 1, False),
        Turn("three", 1, True),
    ]
    # The epoch decides whether a reply is delivered, not the turn.
    assert talk.answers(epoch=1)["message"]["status"] == "DELIVERED"


async def test_two_hand_backs_at_the_same_time_request_one_turn(workspace: Workspace) -> None:
    scene, cursor = Scene.of(workspace), head_of(workspace)
    workspace.key.ask(PAUSE, id=scene.conversation)
    scene.widget.record(scene.conversation, "USER", QUESTION)
    async with scene.locked() as lock:
        calls = [send(scene.key.ask, RESUME, id=scene.conversation) for _ in range(2)]
        await lock.queued(2)
    await outcomes(*calls)
    assert await turns_after(workspace, cursor, scene.conversation) == [Turn(QUESTION, 3, True)]


@pytest.mark.parametrize("message_first", [True, False])
async def test_message_and_hand_back_at_the_same_time_request_one_turn(
    workspace: Workspace, message_first: bool
) -> None:
    scene, cursor = Scene.of(workspace), head_of(workspace)
    workspace.key.ask(PAUSE, id=scene.conversation)

    def write() -> object:
        return scene.widget.record(scene.conversation, "USER", QUESTION)

    def hand_back() -> object:
        return scene.key.ask(RESUME, id=scene.conversation)

    async with scene.locked() as lock:
        calls = await lock.in_order(*([write, hand_back] if message_first else [hand_back, write]))
    await asyncio.gather(*calls)
    assert await turns_after(workspace, cursor, scene.conversation) == [Turn(QUESTION, 3, True)]


async def test_reply_and_hand_back_at_the_same_time_request_no_turn_once_answered(
    workspace: Workspace,
) -> None:
    scene, cursor = Scene.of(workspace), head_of(workspace)
    escalation = scene.escalate()
    scene.widget.record(scene.conversation, "USER", QUESTION)
    async with scene.locked() as lock:
        calls = await lock.in_order(
            lambda: scene.key.reply(escalation), lambda: scene.key.ask(RESUME, id=scene.conversation)
        )
    await asyncio.gather(*calls)
    assert await turns_after(workspace, cursor, scene.conversation) == []


# ---- the first cursor of a back end


def test_back_end_reads_a_cursor_and_what_waits_with_its_own_scope(workspace: Workspace) -> None:
    query = "{ viewer { cursor } conversations(filter: {awaitingAi: true}, first: 100) { nodes { id } } }"
    back_end = workspace.key_with("CONVERSATIONS_WRITE")
    waits, answered, paused, silent = (Talk.begin(workspace) for _ in range(4))
    for talk in (waits, answered, paused):
        talk.says(QUESTION)
    answered.answers()
    pause(paused)

    def waiting() -> set[str]:
        return {node["id"] for node in back_end.ask(query)["conversations"]["nodes"]}

    assert back_end.ask(query)["viewer"]["cursor"] == head_of(workspace)
    assert waits.id in waiting()
    assert not waiting() & {answered.id, paused.id, silent.id}
    resume(paused)
    waits.answers()
    assert paused.id in waiting()
    assert waits.id not in waiting()
    everything = "{ conversations { nodes { id } } }"
    others = "{ conversations(filter: {awaitingAi: false}) { nodes { id } } }"
    assert [back_end.refusal(asked).code for asked in (everything, others)] == ["FORBIDDEN"] * 2
    stranger = workspace.key_with("ANALYTICS_READ")
    assert stranger.refusal(query).code == "FORBIDDEN"


def test_customer_sees_no_cursor_of_the_workspace(workspace: Workspace) -> None:
    assert Talk.begin(workspace).widget.ask("{ viewer { cursor } }")["viewer"]["cursor"] is None
