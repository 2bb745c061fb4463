"""Held replies and the epoch: no late reply of the AI reaches the customer, in any order of events."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.locks import MANY, Contender, Scene, outcomes, send, team
from tests.support.log_audit import MESSAGES, Ledger, listening

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


def answer(scene: Scene, content: str = "an answer", **more: Any) -> Any:
    """Record an answer of the AI and return recordMessage's payload."""
    return scene.key.record(scene.conversation, "ASSISTANT", content, **more)


def shown(scene: Scene) -> list[str]:
    """Return the AI's messages that the customer sees."""
    return [
        message["content"]
        for message in scene.widget.messages(scene.conversation)
        if message["role"] == "ASSISTANT"
    ]


def statuses(scene: Scene) -> list[str]:
    """Return the statuses of the AI's messages."""
    return [
        message["status"]
        for message in scene.key.messages(scene.conversation)
        if message["role"] == "ASSISTANT"
    ]


# ---- one reply and one change of control, both ways round

PASSING = {
    "escalated": lambda scene: scene.widget.press(scene.conversation),
    "paused": lambda scene: scene.key.pause(scene.conversation),
}


@pytest.mark.parametrize("epoch", [1, None])
@pytest.mark.parametrize("passing", PASSING)
async def test_reply_after_the_pause_is_held(scene: Scene, passing: str, epoch: int | None) -> None:
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(PASSING[passing], scene), partial(answer, scene, epoch=epoch))
    _, replied = await outcomes(*calls)
    assert (replied["message"]["status"], replied["ai"]["epoch"]) == ("HELD", 2)
    assert shown(scene) == []
    Ledger.of(scene).check()


@pytest.mark.parametrize("epoch", [1, None])
@pytest.mark.parametrize("passing", PASSING)
async def test_reply_that_has_the_lock_is_delivered_before_the_pause(
    scene: Scene, passing: str, epoch: int | None
) -> None:
    # With its check done and the conversation's lock, the reply waits for the log, and the pause for it.
    async with scene.locked("streams") as lock:
        calls = await lock.in_order(partial(answer, scene, epoch=epoch), partial(PASSING[passing], scene))
    replied, _ = await outcomes(*calls)
    assert (replied["message"]["status"], replied["ai"]["epoch"]) == ("DELIVERED", 1)
    assert shown(scene) == ["an answer"]
    ledger = Ledger.of(scene)
    ledger.check()
    assert (ledger.conversation["ai_state"], ledger.conversation["ai_epoch"]) == ("PAUSED", 2)
    added = next(entry for entry in ledger.log if entry["type"] == "message.added")
    assert added["data"]["message"] == str(ledger.messages[0]["id"])
    assert ledger.messages[0]["created_at"] <= ledger.conversation["ai_paused_at"]


@pytest.mark.parametrize(("epoch", "status"), [(1, "HELD"), (2, "HELD"), (None, "DELIVERED")])
async def test_reply_of_an_old_epoch_is_held_after_a_hand_back(
    scene: Scene, epoch: int | None, status: str
) -> None:
    escalation = scene.escalate()
    async with scene.locked() as lock:
        calls = await lock.in_order(
            partial(scene.key.resolve, escalation), partial(answer, scene, epoch=epoch)
        )
    _, replied = await outcomes(*calls)
    assert replied["ai"] == {"state": "ACTIVE", "epoch": 3, "pausedBy": None}
    assert replied["message"]["status"] == status
    assert shown(scene) == ["an answer"] * (status == "DELIVERED")
    Ledger.of(scene).check()


@pytest.mark.parametrize("epoch", [1, 2, None])
async def test_reply_just_before_a_hand_back_is_held_and_superseded(scene: Scene, epoch: int | None) -> None:
    escalation = scene.escalate()
    async with scene.locked("streams") as lock:
        calls = await lock.in_order(
            partial(answer, scene, epoch=epoch), partial(scene.key.resolve, escalation)
        )
    replied, resolved = await outcomes(*calls)
    assert (replied["message"]["status"], resolved["status"]) == ("HELD", "RESOLVED")
    assert statuses(scene) == ["DISCARDED"]
    assert shown(scene) == []
    Ledger.of(scene).check()


async def test_held_reply_neither_escalates_nor_folds(scene: Scene) -> None:
    scene.key.pause(scene.conversation)
    assert answer(scene, confidence=1)["escalation"] is None
    scene.key.resume(scene.conversation)
    stale = answer(scene, confidence=1, epoch=1)
    assert (stale["message"]["status"], stale["escalation"]) == ("HELD", None)
    assert stale["ai"]["state"] == "ACTIVE"


async def test_future_epoch_is_refused(scene: Scene) -> None:
    before = scene.rows()
    refused = await outcomes(send(answer, scene, epoch=2))
    assert refused == ["BAD_USER_INPUT"]
    assert scene.rows() == before


# ---- fifty concurrent replies


@pytest.mark.parametrize("seed", range(3))
async def test_reply_during_a_change_of_control_is_never_delivered(scene: Scene, seed: int) -> None:
    chance = random.Random(seed)
    escalation = scene.escalate()
    cursor = scene.key.conversation(scene.conversation)["cursor"]
    over = asyncio.Event()
    polled = asyncio.create_task(poll(scene, over))
    control = controls(scene, escalation)
    epochs: dict[str, int | None] = {f"reply {place}": 2 if place % 2 else None for place in range(30)}
    waiting: list[Callable[[], Any]] = [
        partial(answer, scene, content, epoch=epoch) for content, epoch in epochs.items()
    ]
    async with scene.locked() as lock:
        # Surely one that is held, and one that is delivered: with a key, a reply waits for the lock in order.
        calls = await lock.in_order(
            partial(answer, scene, "reply 0", idempotencyKey=f"held {seed}"),
            partial(scene.key.resume, scene.conversation),
            partial(answer, scene, "reply 2", idempotencyKey=f"delivered {seed}"),
        )
        batch = [waiting[1], *waiting[3:], *control]
        chance.shuffle(batch)
        calls += [send(call) for call in batch]
        await lock.queued(MANY)
    batch = [partial(answer_seen_epoch, scene, f"reply {place}", epochs) for place in range(30, 50)]
    batch += control
    chance.shuffle(batch)
    calls += [send(call) for call in batch]
    answers = await outcomes(*calls)
    over.set()

    assert {item for item in answers if isinstance(item, str)} <= {"CONFLICT"}
    assert len(epochs) == 50
    ledger = Ledger.of(scene)
    ledger.check()
    delivered = check_replies(ledger, epochs)
    assert 0 < len(delivered) < 50
    seen = [item["content"] for item in await customer_heard(scene, cursor)]
    assert [content for content in seen if content in epochs] == delivered
    assert shown(scene) == delivered
    assert await polled <= set(delivered)


def controls(scene: Scene, escalation: str) -> list[Callable[[], Any]]:
    key, conversation = scene.key, scene.conversation
    return [
        partial(key.resume, conversation),
        partial(key.pause, conversation),
        partial(scene.widget.press, conversation),
        partial(key.resume, conversation),
        partial(key.resolve, escalation),
        partial(key.reopen, escalation),
        partial(key.resume, conversation),
    ]


def answer_seen_epoch(scene: Scene, content: str, epochs: dict[str, int | None]) -> Any:
    """Answer like an AI: read the epoch, think, and reply with the epoch that was read."""
    epochs[content] = int(scene.key.conversation(scene.conversation)["ai"]["epoch"])
    return answer(scene, content, epoch=epochs[content])


async def poll(scene: Scene, over: asyncio.Event) -> set[str]:
    """Every word of the AI that the customer finds in the conversation at any time."""
    result: set[str] = set()
    while not over.is_set():
        result.update(await send(shown, scene))
    return result


def check_replies(ledger: Ledger, epochs: dict[str, int | None]) -> list[str]:
    """Check each reply's status against the log, and return the delivered ones."""
    messages = {str(item["id"]): item for item in ledger.messages}
    delivered = []
    for entry, control in ledger.replay():
        message = messages[entry["data"]["message"]] if entry["type"] == "message.added" else None
        if message is None or message["role"] != "ASSISTANT":
            continue
        speaks = control.state == "ACTIVE" and epochs[message["content"]] in {None, control.epoch}
        assert entry["data"]["status"] == ("DELIVERED" if speaks else "HELD")
        if speaks:
            delivered.append(message["content"])
    return delivered


async def customer_heard(scene: Scene, cursor: str) -> list[dict[str, Any]]:
    """All that messageAdded has for the customer since `cursor`."""
    scene.key.record(scene.conversation, "USER", "a marker")
    heard: list[dict[str, Any]] = []
    async with scene.widget.socket() as socket:
        said = await socket.subscribe(MESSAGES, id=scene.conversation, after=cursor)
        while not heard or heard[-1]["content"] != "a marker":
            heard.append((await socket.next(said))["messageAdded"]["message"])
    return heard


# ---- drafts


def draft(scene: Scene, content: str = "a draft") -> str:
    """Record a reply that is held, and return its id."""
    message = answer(scene, content)["message"]
    assert message["status"] == "HELD"
    return str(message["id"])


@pytest.mark.parametrize("policy", ["RESOLUTION", "HUMAN_REPLY", "MANUAL"])
async def test_drafts_are_superseded_by_a_hand_back(server: Server, policy: str) -> None:
    scene = Scene.of(server.new_workspace())
    scene.key.settings(scene.workspace.agent_id, ai={"resumeOn": policy})
    escalation = scene.escalate()
    drafts = {draft(scene, f"draft {place}") for place in range(3)}
    cursor = scene.key.conversation(scene.conversation)["cursor"]
    if policy != "HUMAN_REPLY":
        scene.key.reply(escalation)
        assert statuses(scene) == ["HELD"] * 3
    if policy == "MANUAL":
        scene.key.resolve(escalation)
        assert statuses(scene) == ["HELD"] * 3
        scene.key.resume(scene.conversation)
    elif policy == "RESOLUTION":
        scene.key.resolve(escalation)
    else:
        scene.key.reply(escalation)

    assert scene.key.conversation(scene.conversation)["ai"]["state"] == "ACTIVE"
    assert statuses(scene) == ["DISCARDED"] * 3
    ledger = Ledger.of(scene)
    ledger.check()
    assert {str(message["id"]) for message in ledger.messages if message["status"] == "DISCARDED"} == {
        str(scene.message_uuid(item)) for item in drafts
    }
    heard = await customer_heard(scene, cursor)
    assert not [item for item in heard if item["content"].startswith("draft")]
    assert shown(scene) == []


async def test_drafts_stay_during_a_kept_pause_and_are_never_delivered_late(scene: Scene) -> None:
    escalation = scene.escalate()
    draft(scene)
    scene.key.resolve(escalation, keepAiPaused=True)
    assert statuses(scene) == ["HELD"]
    scene.key.resume(scene.conversation)
    assert statuses(scene) == ["DISCARDED"]
    scene.key.reopen(escalation)
    draft(scene, "another draft")
    scene.key.resume(scene.conversation)
    scene.key.pause(scene.conversation)
    scene.key.resume(scene.conversation)
    assert statuses(scene) == ["DISCARDED", "DISCARDED"]
    assert shown(scene) == []
    Ledger.of(scene).check()


@pytest.mark.parametrize("edited", [None, "in better words"])
async def test_draft_is_sent_as_a_reply_of_the_member(scene: Scene, edited: str | None) -> None:
    (member,) = team(scene.workspace, 1)
    escalation = scene.escalate()
    held = draft(scene)
    cursor = scene.key.conversation(scene.conversation)["cursor"]
    sent = member.send_draft(held, edited)
    words = edited or "a draft"
    message = sent["message"]
    assert message.pop("id") != held
    me = {"email": member.email}
    assert message == {"role": "HUMAN", "status": "DELIVERED", "content": words, "author": me}
    clock = {"outcome": "MET"}
    assert sent["escalation"] == {"id": escalation, "status": "IN_PROGRESS", "assignee": me, "sla": clock}
    assert statuses(scene) == ["DISCARDED"]
    heard = [item["content"] for item in await customer_heard(scene, cursor)]
    assert heard == [words, "a marker"]
    Ledger.of(scene).check()


async def test_sent_draft_that_hands_back_is_sent_once(server: Server) -> None:
    scene = Scene.of(server.new_workspace())
    (member,) = team(scene.workspace, 1)
    scene.key.settings(scene.workspace.agent_id, ai={"resumeOn": "HUMAN_REPLY"})
    scene.escalate()
    first, _ = draft(scene, "first"), draft(scene, "second")
    member.send_draft(first)
    assert statuses(scene) == ["DISCARDED", "DISCARDED"]
    ledger = Ledger.of(scene)
    ledger.check()
    assert [message["content"] for message in ledger.messages if message["role"] == "HUMAN"] == ["first"]
    assert ledger.conversation["ai_state"] == "ACTIVE"


async def test_concurrent_sends_and_discards_of_a_draft_have_one_winner(scene: Scene) -> None:
    members, _ = team(scene.workspace, 8), scene.escalate()
    held = draft(scene)
    async with scene.locked() as lock:
        calls = [send(member.send_draft, held) for member in members[:4]]
        calls += [send(member.discard_draft, held) for member in members[4:]]
        await lock.queued(8)
    answers = await outcomes(*calls)
    assert answers.count("CONFLICT") == 7
    assert statuses(scene) == ["DISCARDED"]
    ledger = Ledger.of(scene)
    ledger.check()
    sent = [message["content"] for message in ledger.messages if message["role"] == "HUMAN"]
    assert sent == ["a draft"] * any(item != "CONFLICT" for item in answers[:4])


async def test_draft_overtaken_by_a_resolution_is_not_sent(scene: Scene) -> None:
    (member,) = team(scene.workspace, 1)
    escalation = scene.escalate()
    held = draft(scene)
    async with scene.locked() as lock:
        calls = await lock.in_order(partial(scene.key.resolve, escalation), partial(member.send_draft, held))
    _, sent = await outcomes(*calls)
    assert sent == "CONFLICT"
    assert Counter(message["role"] for message in Ledger.of(scene).messages) == {"SYSTEM": 2, "ASSISTANT": 1}
    assert shown(scene) == []


async def test_refused_draft_is_unchanged(scene: Scene, other: Workspace) -> None:
    (member,), (stranger,) = team(scene.workspace, 1), team(other, 1)
    escalation = scene.escalate()
    passed_over, held = draft(scene, "passed over"), draft(scene)
    assert member.discard_draft(passed_over) == {"id": passed_over, "status": "DISCARDED"}
    delivered = scene.key.reply(escalation)["message"]["id"]
    refused: list[tuple[str, Callable[[], Any]]] = [
        ("CONFLICT", partial(member.send_draft, passed_over)),
        ("CONFLICT", partial(member.send_draft, passed_over, "edited")),
        ("CONFLICT", partial(member.discard_draft, passed_over)),
        ("CONFLICT", partial(member.send_draft, delivered)),
        ("CONFLICT", partial(member.discard_draft, delivered)),
        ("BAD_USER_INPUT", partial(member.send_draft, held, "")),
        ("FORBIDDEN", partial(scene.key.send_draft, held)),
        *[
            ("NOT_FOUND", partial(act, caller, held))
            for caller in (stranger, scene.widget)
            for act in (Contender.send_draft, Contender.discard_draft)
        ],
    ]
    async with listening(scene, drafts=1) as check_events:
        before = scene.rows()
        assert await outcomes(*(send(call) for _, call in refused)) == [code for code, _ in refused]
        assert scene.rows() == before
        await check_events()


async def test_draft_without_an_escalation_is_not_sent(scene: Scene) -> None:
    (member,) = team(scene.workspace, 1)
    scene.key.pause(scene.conversation)
    held = draft(scene)
    before = scene.rows()
    assert await outcomes(send(member.send_draft, held)) == ["CONFLICT"]
    assert scene.rows() == before
    scene.escalate()
    assert member.send_draft(held)["message"]["status"] == "DELIVERED"
