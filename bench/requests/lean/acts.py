"""recordMessage and replyToEscalation in two or five round trips."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import asyncpg
import orjson

from bench.requests.lean import statements
from bench.requests.lean.wakeups import Wakeups
from models.ids import new_id
from rules.agent_settings import EscalationSettings
from rules.ai_control import AiPauseCause, AiResumePolicy, reply_status
from rules.escalation import EscalationStatus
from rules.message import MessageRole, MessageStatus
from rules.triggers import (
    ReplyEffect,
    is_low,
    judge_reply,
    triggers_of_customer_message,
)
from rules.typeid import CONVERSATION, ESCALATION, MESSAGE, format_id, parse_id

SCOPE = "CONVERSATIONS_WRITE"
ATTEMPTS = 8
# What asyncpg's connections in a pool are, and what a single one is.
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class OutOfBenchError(Exception):
    """The input needs more of Baton than the bench measures."""


class Acts:
    """Writes messages and replies, and wakes who listens."""

    def __init__(self, pool: asyncpg.Pool, wakeups: Wakeups) -> None:
        self._pool = pool
        self._wakeups = wakeups

    async def record(self, token: str, given: Mapping[str, Any]) -> bytes:
        """Record a message: the credential, BEGIN, lock and read, one write, COMMIT."""
        key = parse_id(CONVERSATION, given["conversationId"])
        async with self._pool.acquire() as connection:
            caller = await connection.fetchrow(statements.KEY, token_hash(token), SCOPE)
            if caller is None:
                raise OutOfBenchError("The credential is not valid, or has not the scope.")
            async with connection.transaction():
                talk = await connection.fetchrow(statements.LOCK, key, caller["workspace_id"])
                if talk is None:
                    raise OutOfBenchError("There is no such conversation.")
                values = _message(talk, given, caller["id"])
                written = await connection.fetchrow(statements.RECORD, *values)
        return self._recorded(talk, values, written)

    async def record_unlocked(self, token: str, given: Mapping[str, Any]) -> bytes:
        """Record a message: a read, and a write that does nothing if the conversation was changed since."""
        key = parse_id(CONVERSATION, given["conversationId"])
        async with self._pool.acquire() as connection:
            for _ in range(ATTEMPTS):
                talk = await connection.fetchrow(statements.READ, token_hash(token), SCOPE, key)
                if talk is None:
                    raise OutOfBenchError("There is no such credential or conversation.")
                values = _message(talk, given, talk["caller"])
                written = await connection.fetchrow(statements.RECORD_UNCHANGED, *values, talk["version"])
                if written is not None:
                    return self._recorded(talk, values, written)
        raise OutOfBenchError(f"Others changed the conversation {ATTEMPTS} times in a row.")

    async def reply(self, token: str, given: Mapping[str, Any]) -> bytes:
        """Write a reply that is not the first: the credential, BEGIN, lock and read, one write, COMMIT."""
        key = parse_id(ESCALATION, given["escalationId"])
        async with self._pool.acquire() as connection:
            caller = await connection.fetchrow(statements.SESSION, token_hash(token))
            if caller is None:
                raise OutOfBenchError("The session is not valid.")
            async with connection.transaction():
                raised = await connection.fetchrow(
                    statements.LOCK_ESCALATION, key, caller["workspace_id"], caller["id"]
                )
                if raised is None:
                    raise OutOfBenchError("There is no such escalation, or the member may not answer.")
                values = _reply(raised, given, caller["id"], key)
                written = await connection.fetchrow(statements.REPLY, *values)
        return self._replied(raised, values, written)

    async def reply_unlocked(self, token: str, given: Mapping[str, Any]) -> bytes:
        """Write a reply that is not the first: a read, and a write of nothing if a row was changed since."""
        key = parse_id(ESCALATION, given["escalationId"])
        async with self._pool.acquire() as connection:
            for _ in range(ATTEMPTS):
                raised = await connection.fetchrow(statements.READ_ESCALATION, token_hash(token), key)
                if raised is None:
                    raise OutOfBenchError("There is no such session or escalation.")
                values = _reply(raised, given, raised["caller"], key)
                written = await connection.fetchrow(statements.REPLY_UNCHANGED, *values, raised["versions"])
                if written is not None:
                    return self._replied(raised, values, written)
        raise OutOfBenchError(f"Others changed the conversation {ATTEMPTS} times in a row.")

    def _replied(self, raised: asyncpg.Record, values: list[Any], written: Any) -> bytes:
        self._wake(raised, written)
        return orjson.dumps({"data": {"replyToEscalation": {"message": _shown(values)}}})

    def _recorded(self, talk: asyncpg.Record, values: list[Any], written: Any) -> bytes:
        self._wake(talk, written)
        escalation = written["escalation"]
        result = {
            "escalation": escalation and {"id": format_id(ESCALATION, escalation)},
            "ai": {"state": talk["ai_state"], "epoch": talk["ai_epoch"]},
            "message": _shown(values),
        }
        return orjson.dumps({"data": {"recordMessage": result}})

    def _wake(self, talk: asyncpg.Record, written: Any) -> None:
        self._wakeups.add(talk["id"], written["head"])
        self._wakeups.add(talk["workspace_id"], written["shared_head"])


def token_hash(token: str) -> bytes:
    """Return the hash of a token, as credentials are stored."""
    return hashlib.sha256(token.encode()).digest()


@lru_cache(128)
def _settings(text: str) -> EscalationSettings:
    return EscalationSettings.model_validate_json(text)


def _message(talk: asyncpg.Record, given: Mapping[str, Any], caller: Any) -> list[Any]:
    """Return the values of the write, by Baton's rules."""
    settings, role = _settings(talk["settings"]), MessageRole(given["role"])
    content, confidence = given["content"], given.get("confidence")
    customer_messages, uncertain = talk["customer_messages"], talk["uncertain_replies"]
    if role is MessageRole.USER:
        customer_messages += 1
        wanted = bool(triggers_of_customer_message(settings.triggers, content, ()))
    else:
        status = reply_status(talk["ai_state"], talk["ai_epoch"], given.get("epoch"))
        auto = settings.auto_escalation
        uncertain += is_low(auto, confidence)
        triggers, effect = judge_reply(settings.triggers, auto, (), confidence, waiting=False)
        wanted = status is MessageStatus.HELD or bool(triggers) or effect is not ReplyEffect.NOTHING
    if wanted or talk["pending_escalation_id"] or talk["erased_at"]:
        raise OutOfBenchError("The message is held, or raises an escalation.")
    position, id_ = talk["messages"] + 1, new_id()
    values = [talk["id"], position, talk["clock"], id_, role.value, content, confidence]
    return [*values, customer_messages, uncertain, caller]


def _reply(raised: asyncpg.Record, given: Mapping[str, Any], member: Any, escalation: Any) -> list[Any]:
    """Return the values of the write; raise OutOfBenchError for a reply that changes more."""
    settings = _settings(raised["settings"])
    answered = raised["status"] == EscalationStatus.IN_PROGRESS and raised["first_responded_at"]
    returned = (
        settings.ai.resume_on is AiResumePolicy.HUMAN_REPLY
        and raised["ai_pause_cause"] == AiPauseCause.ESCALATION
    )
    if not answered or raised["assignee_id"] is None or returned or raised["erased_at"]:
        raise OutOfBenchError("The reply is the first, or hands the conversation back.")
    position, id_ = raised["messages"] + 1, new_id()
    values = [
        raised["id"],
        position,
        raised["clock"],
        id_,
        given["content"],
        member,
        escalation,
    ]
    return [*values, raised["timeline"] + 1, raised["version"] + 1]


def _shown(values: list[Any]) -> dict[str, Any]:
    """Return the message of an answer; all writes have its position and id in the same places."""
    return {"id": format_id(MESSAGE, values[3]), "position": values[1], "status": MessageStatus.DELIVERED}
