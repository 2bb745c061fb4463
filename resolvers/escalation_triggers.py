"""Asking for people other than in words: the button, a form, a failing tool, a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from models.conversation import ToolFailures
from models.escalation import Escalation
from realtime.transaction import Transaction
from resolvers.actor import ActorKind
from resolvers.ai_control import request_turn
from resolvers.append_message import post
from resolvers.assignee import lock_assignee_by_email, lock_own_membership
from resolvers.context import Context
from resolvers.customer import adopt_form_email
from resolvers.idempotency import IdempotentCall, begin_idempotent
from resolvers.locks import LockedConversation, lock_active_escalation, lock_conversation
from resolvers.permissions import permitted
from resolvers.raise_escalation import CallerData, EscalationResult, raise_escalation
from resolvers.timer_handlers import fire_if_due
from resolvers.validation import check_content, check_json, check_name, check_words
from resolvers.visibility import CONVERSATION
from rules.escalation import EscalationTrigger, Priority
from rules.message import MessageRole
from rules.triggers import FiredTrigger, fired


@permitted("requestHuman", CONVERSATION)
async def request_human(
    context: Context, conversation_id: UUID, idempotency_key: str | None = None
) -> EscalationResult:
    """Escalate because the customer pressed the button."""
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"conversation": conversation_id}
        call = await begin_idempotent(tx, context.actor, "requestHuman", idempotency_key, inputs)
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if call.result is not None:
            return await _replay_result(tx, call.result)
        await fire_if_due(tx, locked)
        raised = await raise_escalation(tx, locked, [fired(EscalationTrigger.BUTTON)], context.actor)
        await _store_result(call, raised)
    return raised


@permitted("submitForm", CONVERSATION)
async def submit_form(
    context: Context,
    conversation_id: UUID,
    form: str,
    fields: Mapping[str, Any],
    escalate: bool = True,
    idempotency_key: str | None = None,
) -> EscalationResult | None:
    """Store a submitted form as a message of the customer.

    With `escalate` it raises an escalation; otherwise it requests a turn of the AI. A field for the email
    address becomes that of a customer who has none.
    """
    check_name("form", form)
    check_json("fields", fields)
    content = check_content("fields", _form_in_words(form, fields))
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"conversation": conversation_id, "form": form, "fields": fields, "escalate": escalate}
        call = await begin_idempotent(tx, context.actor, "submitForm", idempotency_key, inputs)
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if call.result is not None:
            return await _replay_result(tx, call.result) if "escalation" in call.result else None
        await fire_if_due(tx, locked)
        raised = await _submit(tx, context, locked, content, {"form": form, "fields": fields}, escalate)
        await _store_result(call, raised)
    return raised


async def _submit(
    tx: Transaction,
    context: Context,
    locked: LockedConversation,
    content: str,
    details: dict[str, Any],
    escalate: bool,
) -> EscalationResult | None:
    from_widget = context.actor.is_customer
    post(
        tx,
        locked.conversation,
        MessageRole.USER,
        content,
        context.actor,
        details=details,
        from_widget=from_widget,
    )
    adopt_form_email(tx, locked.conversation, details["fields"])
    raised = None
    if escalate:
        trigger = fired(EscalationTrigger.FORM, details["form"])
        raised = await raise_escalation(tx, locked, [trigger], context.actor)
    request_turn(tx, locked.conversation)
    return raised


def _form_in_words(form: str, fields: Mapping[str, Any]) -> str:
    def spelled(value: Any) -> str:
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    lines = [f"{name}: {spelled(value)}" for name, value in fields.items()]
    return "\n".join([f"Form “{form}”", *lines])


@dataclass(frozen=True, slots=True)
class ToolReport:
    """The consecutive failures of the tool, and the escalation that is active after this report."""

    consecutive_failures: int
    escalation: Escalation | None


@permitted("reportToolResult", CONVERSATION)
async def report_tool_result(
    context: Context,
    conversation_id: UUID,
    tool: str,
    succeeded: bool,
    critical: bool = True,
    error: str | None = None,
    idempotency_key: str | None = None,
) -> ToolReport:
    """Count the consecutive failures of a critical tool; the limit raises an escalation.

    A success resets the count. Tools that are not critical are not counted. From the limit on, each further
    failure is a trigger.
    """
    check_name("tool", tool)
    if error is not None:
        check_words("error", error)
    report = {"tool": tool, "succeeded": succeeded, "critical": critical, "error": error}
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = {"conversation": conversation_id, **report}
        call = await begin_idempotent(tx, context.actor, "reportToolResult", idempotency_key, inputs)
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if call.result is not None:
            active = await lock_active_escalation(tx, locked.conversation)
            return ToolReport(int(call.result["failures"]), active)
        await fire_if_due(tx, locked)
        count = await _count(tx, conversation_id, tool, succeeded, critical)
        await call.store_result(failures=count)
        if count >= locked.settings.triggers.tool_failure_limit:
            trigger = fired(EscalationTrigger.TOOL_FAILURE, tool)
            raised = await raise_escalation(tx, locked, [trigger], context.actor)
            return ToolReport(count, raised.escalation)
        return ToolReport(count, await lock_active_escalation(tx, locked.conversation))


async def _count(tx: Transaction, conversation_id: UUID, tool: str, succeeded: bool, critical: bool) -> int:
    if not critical:
        return 0
    if succeeded:
        await tx.session.execute(delete(ToolFailures).filter_by(conversation_id=conversation_id, tool=tool))
        return 0
    counted = insert(ToolFailures).values(conversation_id=conversation_id, tool=tool, consecutive=1)
    bumped = counted.on_conflict_do_update(
        index_elements=["conversation_id", "tool"],
        set_={"consecutive": ToolFailures.consecutive + 1},
    ).returning(ToolFailures.consecutive)
    return (await tx.session.execute(bumped)).scalar_one()


@dataclass(frozen=True, slots=True)
class EscalateCall:
    """The input of a call that escalates; `summary` is for the person who answers."""

    reason: str
    priority: Priority | None = None
    assign_to: str | None = None
    summary: str | None = None
    metadata: dict[str, Any] | None = None


@permitted("escalateConversation", CONVERSATION)
async def escalate_conversation(
    context: Context, conversation_id: UUID, call: EscalateCall, idempotency_key: str | None = None
) -> EscalationResult:
    """Escalate for an API caller, or for a team member, who is assigned when `assign_to` is omitted.

    Raises BadInputError when `assign_to` is not a team member's email.
    """
    return await _escalate(context, conversation_id, call, idempotency_key)


@permitted("POST /hooks/{token}/escalate", CONVERSATION)
async def escalate_by_webhook(
    context: Context, conversation_id: UUID, call: EscalateCall, idempotency_key: str | None = None
) -> EscalationResult:
    """Escalate for an incoming webhook."""
    return await _escalate(context, conversation_id, call, idempotency_key)


async def _escalate(
    context: Context, conversation_id: UUID, call: EscalateCall, idempotency_key: str | None
) -> EscalationResult:
    check_words("reason", call.reason)
    if call.summary is not None:
        check_words("summary", call.summary)
    check_json("metadata", call.metadata)
    async with context.services.transactions.begin(context.replay_clock) as tx:
        inputs = _inputs(conversation_id, call)
        once = await begin_idempotent(tx, context.actor, "escalateConversation", idempotency_key, inputs)
        assignee_id = await _assignee(tx, context, call.assign_to) if once.result is None else None
        locked = await lock_conversation(tx, context.actor, conversation_id)
        if once.result is not None:
            return await _replay_result(tx, once.result)
        await fire_if_due(tx, locked)
        data = CallerData(call.summary, call.metadata)
        trigger = _call_trigger(context, call)
        raised = await raise_escalation(tx, locked, [trigger], context.actor, assignee_id, data)
        await _store_result(once, raised)
    return raised


def _inputs(conversation_id: UUID, call: EscalateCall) -> dict[str, Any]:
    # What an earlier version did not know is left out unless given, so that its keys stay valid.
    later = {"summary": call.summary, "metadata": call.metadata}
    return {
        "conversation": conversation_id,
        "reason": call.reason,
        "priority": call.priority,
        "assignTo": call.assign_to,
        **{name: value for name, value in later.items() if value is not None},
    }


def _call_trigger(context: Context, call: EscalateCall) -> FiredTrigger:
    if context.actor.kind is ActorKind.TEAM_MEMBER:
        return fired(EscalationTrigger.TEAM_MEMBER, call.reason, priority=call.priority)
    return FiredTrigger(EscalationTrigger.API, call.reason, priority=call.priority)


async def _assignee(tx: Transaction, context: Context, assign_to: str | None) -> UUID | None:
    if assign_to is None:
        return await lock_own_membership(tx, context.actor)
    return await lock_assignee_by_email(tx, context.actor, "assign_to", assign_to)


async def _replay_result(tx: Transaction, result: dict[str, Any]) -> EscalationResult:
    escalation = await tx.session.get(Escalation, UUID(result["escalation"]))
    assert escalation is not None
    return EscalationResult(escalation, created=result["created"] == "True")


async def _store_result(call: IdempotentCall, raised: EscalationResult | None) -> None:
    if raised is None:
        await call.store_result()
    else:
        await call.store_result(escalation=raised.escalation.id, created=raised.created)
