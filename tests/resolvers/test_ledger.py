"""The ledger next to sessions: the same calls leave the same rows, log, timers and wake-ups."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle, product
from random import Random
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from models.member import Member
from resolvers.actor import ActorKind
from resolvers.ai_control import pause_ai, resume_ai
from resolvers.conversation import update_conversation
from resolvers.escalation import (
    EscalationChanges,
    ResolutionInput,
    claim_escalation,
    reopen_escalation,
    resolve_escalation,
    set_disposition,
    update_escalation,
)
from resolvers.escalation_triggers import (
    EscalateCall,
    escalate_conversation,
    report_tool_result,
    request_human,
    submit_form,
)
from resolvers.member import NewMember
from resolvers.message import NewMessage, discard_held_reply, record_message
from resolvers.read_positions import mark_read
from resolvers.reply import reply_to_conversation, reply_to_escalation, send_held_reply
from resolvers.timer_handlers import announce_clock, fire_pending
from resolvers.workspace import NewWorkspace
from rules.agent_settings import EscalationSettings
from rules.escalation import Disposition, EscalationStatus, Priority
from rules.message import MessageRole
from rules.roles import MemberRole
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import PASSWORD, Server
from tests.support.locks import Scene, hold, send
from tests.support.twin_databases import Call, Play, Refusal, Twins, open_twins

pytestmark = pytest.mark.anyio

WORDS = ("Where is my parcel?", "I want to talk to a human", "A refund, and a human please", "Thanks")
CONFIDENCES = (None, 95.0, 40.0, 0.5)
PRIORITIES = (None, *Priority)
KEYS = (None, None, "first", "second")
REFUNDS = {"name": "refunds", "keywords": ["refund"], "intents": ["refund"], "priority": "URGENT"}

CHOSEN = [
    EscalationSettings.model_validate(
        {
            "auto_escalation": {"delay_seconds": delay, "confidence_threshold": 60},
            "triggers": {"topics": [REFUNDS], "tool_failure_limit": 2},
            "ai": {"resume_on": resume_on},
            "sla": {"target_response_minutes": minutes},
        }
    )
    for minutes, (delay, resume_on) in zip(
        cycle((1, 120)), product((0, 30), ("HUMAN_REPLY", "RESOLUTION", "MANUAL")), strict=False
    )
]


def pick(choices: Any, number: int) -> Any:
    return choices[number % len(choices)]


async def customer_writes(play: Play, conversation: UUID, number: int) -> Any:
    kind = pick((ActorKind.CUSTOMER, ActorKind.API_KEY), number)
    details = {"page": "/cart", "number": number} if number % 5 == 0 else None
    new = NewMessage(MessageRole.USER, pick(WORDS, number // 2), metadata=details)
    return await record_message(play.context(kind, conversation), conversation, new, pick(KEYS, number // 3))


async def ai_answers(play: Play, conversation: UUID, number: int) -> Any:
    context = play.context(ActorKind.API_KEY, conversation)
    intents = ["refund"] if number % 7 == 0 else []
    epoch = pick((None, None, 1, 2, 9), number // 4)
    new = NewMessage(MessageRole.ASSISTANT, "I think so.", pick(CONFIDENCES, number), intents, epoch)
    return await record_message(context, conversation, new, pick(KEYS, number // 5))


async def customer_presses(play: Play, conversation: UUID, number: int) -> Any:
    context = play.context(ActorKind.CUSTOMER, conversation)
    return await request_human(context, conversation, pick(KEYS, number))


async def caller_escalates(play: Play, conversation: UUID, number: int) -> Any:
    kind = pick((ActorKind.API_KEY, ActorKind.TEAM_MEMBER), number)
    assign_to = pick((None, None, *play.emails), number // 2)
    more: dict[str, Any] = {"summary": f"{number}", "metadata": {"number": number}} if number % 3 == 0 else {}
    call = EscalateCall(pick(("a VIP", "angry"), number), pick(PRIORITIES, number // 3), assign_to, **more)
    return await escalate_conversation(
        play.context(kind, conversation), conversation, call, pick(KEYS, number)
    )


async def customer_submits(play: Play, conversation: UUID, number: int) -> Any:
    context, fields = (
        play.context(ActorKind.CUSTOMER, conversation),
        {"email": "jane@example.com", "n": number},
    )
    return await submit_form(context, conversation, "contact", fields, number % 2 == 0)


async def tool_reports(play: Play, conversation: UUID, number: int) -> Any:
    context = play.context(ActorKind.API_KEY, conversation)
    return await report_tool_result(context, conversation, "billing", number % 3 == 0)


async def member_replies(play: Play, conversation: UUID, number: int) -> Any:
    escalation = await play.newest("escalations", conversation)
    kind = pick((ActorKind.TEAM_MEMBER, ActorKind.API_KEY), number)
    email = pick((None, *play.emails), number) if kind is ActorKind.API_KEY else None
    context = play.context(kind, conversation)
    key = pick(KEYS, number // 2)
    return escalation and await reply_to_escalation(context, escalation, "A person here.", email, key)


async def member_takes_over(play: Play, conversation: UUID, number: int) -> Any:
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    return await reply_to_conversation(context, conversation, "Let me help.", pick(KEYS, number))


async def held_reply_ends(play: Play, conversation: UUID, number: int) -> Any:
    held = await play.newest("messages", conversation, "status = 'HELD'")
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    if held and number % 3:
        return await send_held_reply(context, held, pick((None, "In my words."), number))
    return held and await discard_held_reply(context, held)


async def escalation_changes(play: Play, conversation: UUID, number: int) -> Any:
    escalation = await play.newest("escalations", conversation)
    changes = EscalationChanges(
        status=pick((None, None, *EscalationStatus), number),
        priority=pick(PRIORITIES, number // 2),
        assign_to=pick((None, "", *play.emails), number // 3),
        note=pick((None, "noted"), number // 4),
    )
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    return escalation and await update_escalation(context, escalation, changes)


async def escalation_ends(play: Play, conversation: UUID, number: int) -> Any:
    escalation = await play.newest("escalations", conversation)
    how = ResolutionInput("done", pick((None, *Disposition), number), number % 4 == 0)
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    return escalation and await resolve_escalation(context, escalation, how)


async def escalation_is_seen_to(play: Play, conversation: UUID, number: int) -> Any:
    escalation = await play.newest("escalations", conversation)
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    judged = partial(set_disposition, disposition=pick((None, *Disposition), number))
    call: Any = pick((claim_escalation, reopen_escalation, judged), number)
    return escalation and await call(context, escalation)


async def control_changes(play: Play, conversation: UUID, number: int) -> None:
    context = play.context(ActorKind.TEAM_MEMBER, conversation)
    await pick((pause_ai, resume_ai), number)(context, conversation)


async def conversation_changes(play: Play, conversation: UUID, number: int) -> None:
    context = play.context(ActorKind.API_KEY, conversation)
    if number % 2:
        await mark_read(play.context(ActorKind.CUSTOMER, conversation), conversation, number % 4)
    changes: Any = {"name": f"Jane {number}", "metadata": {"number": number}, "language": "de"}
    await update_conversation(context, conversation, changes)


async def timers_run(play: Play, conversation: UUID, number: int) -> None:
    if number % 2 and (pending := await play.newest("pending_escalations", conversation)):
        await fire_pending(play.services, pending)
    elif escalation := await play.newest("escalations", conversation):
        await announce_clock(play.services, escalation)


PERFORMED: dict[str, Any] = {
    call.__name__: call
    for call in (
        customer_writes,
        ai_answers,
        customer_presses,
        caller_escalates,
        customer_submits,
        tool_reports,
        member_replies,
        member_takes_over,
        held_reply_ends,
        escalation_changes,
        escalation_ends,
        escalation_is_seen_to,
        control_changes,
        conversation_changes,
        timers_run,
    )
}
# The hot calls come most often.
HOT = ["customer_writes", "ai_answers", "member_replies", "held_reply_ends"]
CALLS = 120


def calls_of(chance: Random) -> list[Call]:
    names = [*PERFORMED, *HOT, *HOT]
    return [
        Call(chance.choice(names), chance.randrange(1000), chance.choice((0, 1, 20, 45, 70)))
        for _ in range(CALLS)
    ]


async def perform(play: Play, call: Call) -> Any:
    # Most calls are in one of the two conversations, so that they meet.
    conversation = play.conversations[call.choice % 4 == 0]
    return await PERFORMED[call.name](play, conversation, call.choice)


def colleague(name: str, role: MemberRole) -> Any:
    return lambda workspace_id: Member(
        workspace_id=workspace_id, email=f"{name}@example.com", name=name, role=role, available=True
    )


async def test_streams_are_locked_in_order(scene: Scene) -> None:
    free = "SELECT true FROM streams WHERE id = $1 FOR UPDATE NOWAIT"
    async with hold(scene.server, "streams", scene.uuid) as lock:
        recording = send(scene.key.record, scene.conversation, "USER", "hello")
        await lock.queued(1)
        # The transaction waits for the conversation's stream, and holds nothing of the workspace's yet.
        assert await lock.connection.fetchval(free, parse_id(WORKSPACE, scene.workspace.id))
    await recording


@pytest.fixture(scope="module")
def twins(server: Server) -> Iterator[Twins]:
    admin = NewMember("ada@example.com", "Ada Admin", MemberRole.ADMIN, PASSWORD)
    more = [colleague("bo", MemberRole.AGENT), colleague("cy", MemberRole.VIEWER)]
    with open_twins(server, NewWorkspace("A workspace", "Robot", admin), more) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(len(CHOSEN)))
def test_ledger_and_session_write_the_same(twins: Twins, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uuid_utils.compat, "uuid7", twins.new_id)
        by_ledger, by_session = twins.play(calls_of(Random(seed)), CHOSEN[seed], perform)
    for number, (result, other) in enumerate(zip(by_ledger.results, by_session.results, strict=True)):
        assert result == other, number
    assert by_ledger.wakeups == by_session.wakeups
    assert by_ledger.rows == by_session.rows
    performed = {name for name, result in by_ledger.results if not isinstance(result, Refusal)}
    assert len(performed) > len(PERFORMED) - 3, "most calls must be more than refused"
