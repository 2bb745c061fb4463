"""A conversation's rows and log entries, checks that they agree, and their subscribers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

from rules.typeid import WORKSPACE, parse_id
from tests.support.locks import Scene, is_counted

Row = dict[str, Any]

UPDATES = "subscription($after: String) { escalationUpdated(after: $after) { kind escalation { id } } }"
MESSAGES = """subscription($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { message { content } } }"""
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { kind } }"""

_STATUS_AFTER = {"created": "OPEN", "resolved": "RESOLVED"}
_CONTROL = {"conversation.ai_paused": "PAUSED", "conversation.ai_resumed": "ACTIVE"}


@dataclass(frozen=True)
class Control:
    """The control state at a moment."""

    state: str = "ACTIVE"
    epoch: int = 1


@dataclass
class Ledger:
    """Rows in their order: of messages and timelines by position, of the log by position."""

    conversation: Row
    messages: list[Row]
    escalations: list[Row]
    timelines: dict[UUID, list[Row]]
    log: list[Row]
    workspace_log: list[Row]
    heads: dict[UUID, int]

    @classmethod
    def of(cls, scene: Scene) -> "Ledger":
        """Read it after all transactions."""
        rows, key, workspace = scene.server.rows, scene.uuid, parse_id(WORKSPACE, scene.workspace.id)
        of_log = "SELECT position, type, data, occurred_at FROM log WHERE stream = $1 ORDER BY position"
        escalations = rows("SELECT * FROM escalations WHERE conversation_id = $1 ORDER BY created_at", key)
        timeline = "SELECT * FROM timeline_entries WHERE escalation_id = $1 ORDER BY position"
        return cls(
            conversation=rows("SELECT * FROM conversations WHERE id = $1", key)[0],
            messages=rows("SELECT * FROM messages WHERE conversation_id = $1 ORDER BY position", key),
            escalations=escalations,
            timelines={
                escalation["id"]: _parsed(rows(timeline, escalation["id"])) for escalation in escalations
            },
            log=_parsed(rows(of_log, key)),
            workspace_log=_parsed(rows(of_log, workspace)),
            heads={row["id"]: row["head"] for row in rows("SELECT id, head FROM streams")},
        )

    @property
    def active(self) -> list[Row]:
        """Return the active escalations."""
        return [escalation for escalation in self.escalations if escalation["status"] != "RESOLVED"]

    def kinds(self, escalation: UUID) -> list[str]:
        """Return the kinds of an escalation's timeline entries."""
        return [entry["kind"] for entry in self.timelines[escalation]]

    def published(self, escalation: UUID) -> list[str]:
        """Return the types of an escalation's entries in the workspace's log."""
        return [
            entry["type"].removeprefix("escalation.")
            for entry in self.workspace_log
            if entry["type"].startswith("escalation.") and entry["data"]["escalation"] == str(escalation)
        ]

    def count(self, type_: str) -> int:
        """Return the number of entries of a type in the conversation's log."""
        return sum(entry["type"] == type_ for entry in self.log)

    def replay(self) -> Iterator[tuple[Row, Control]]:
        """Yield the log's entries in order, each with the control state at that position."""
        control = Control()
        for entry in self.log:
            if state := _CONTROL.get(entry["type"]):
                control = Control(state, entry["data"]["epoch"])
            yield entry, control

    def check(self) -> None:
        """Assert that tables and log agree."""
        self._check_log()
        self._check_messages()
        self._check_control()
        assert len(self.active) <= 1
        assert self.count("conversation.escalated") == len(self.escalations)
        for escalation in self.escalations:
            self._check_escalation(escalation)

    def _check_log(self) -> None:
        assert is_counted(entry["position"] for entry in self.log)
        assert is_counted(entry["position"] for entry in self.workspace_log)
        assert self.heads[self.conversation["id"]] == len(self.log)
        assert self.heads[self.conversation["workspace_id"]] == len(self.workspace_log)
        assert all(before["occurred_at"] <= after["occurred_at"] for before, after in pairwise(self.log))

    def _check_messages(self) -> None:
        assert is_counted(message["position"] for message in self.messages)
        assert self.conversation["messages"] == len(self.messages)
        added = [entry for entry in self.log if entry["type"] == "message.added"]
        assert [entry["data"]["message"] for entry in added] == [str(item["id"]) for item in self.messages]
        assert [entry["occurred_at"] for entry in added] == [item["created_at"] for item in self.messages]
        for entry, message in zip(added, self.messages, strict=True):
            was, by_now = entry["data"]["status"], message["status"]
            assert by_now == was or (was, by_now) == ("HELD", "DISCARDED")
        discarded = [str(item["id"]) for item in self.messages if item["status"] == "DISCARDED"]
        changed = [e["data"]["message"] for e in self.log if e["type"] == "message.status_changed"]
        assert sorted(changed) == sorted(discarded)

    def _check_control(self) -> None:
        passed = [entry for entry in self.log if entry["type"] in _CONTROL]
        assert [entry["data"]["epoch"] for entry in passed] == list(range(2, len(passed) + 2))
        states = ["PAUSED" if place % 2 == 0 else "ACTIVE" for place in range(len(passed))]
        assert [_CONTROL[entry["type"]] for entry in passed] == states
        assert self.conversation["ai_epoch"] == len(passed) + 1
        assert self.conversation["ai_state"] == (["ACTIVE", *states])[-1]
        events = [
            e for e in self.workspace_log if e["data"].get("conversation") == str(self.conversation["id"])
        ]
        assert [e["type"] for e in events if e["type"] in _CONTROL] == [e["type"] for e in passed]
        if self.conversation["ai_pause_cause"] == "ESCALATION":
            assert self.active

    def _check_escalation(self, escalation: Row) -> None:
        timeline = self.timelines[escalation["id"]]
        assert is_counted(entry["position"] for entry in timeline)
        assert escalation["timeline"] == len(timeline)
        assert all(before["occurred_at"] <= after["occurred_at"] for before, after in pairwise(timeline))
        kinds = self.kinds(escalation["id"])
        assert kinds[0] == "created"
        assert self.published(escalation["id"]) == [kind for kind in kinds if not kind.startswith("ai_")]
        status = None
        for entry in timeline:
            status = entry["data"].get("status") or _STATUS_AFTER.get(entry["kind"], status)
        assert escalation["status"] == status
        assert (escalation["resolved_at"] is not None) == (status == "RESOLVED")


def _parsed(rows: list[Row]) -> list[Row]:
    return [row | {"data": json.loads(row["data"])} for row in rows]


@asynccontextmanager
async def listening(scene: Scene, drafts: int = 0) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """
    Follow everything; what it gives asserts that the next that each hears of is what happens then.

    The AI must be paused at that time, and `drafts` of its replies held.
    """
    here = {"id": scene.conversation, "after": scene.key.conversation(scene.conversation)["cursor"]}
    now = scene.key.ask("{ escalations { cursor } }")["escalations"]["cursor"]
    async with scene.widget.socket() as customer, scene.key.socket() as dashboard:
        updates = await dashboard.subscribe(UPDATES, after=now)
        followed = [
            (socket, await socket.subscribe(MESSAGES, **here), await socket.subscribe(CHANGES, **here))
            for socket in (customer, dashboard)
        ]

        async def expect_marker() -> None:
            scene.key.record(scene.conversation, "USER", "a marker")
            nodes = scene.key.conversation(scene.conversation)["escalations"]["nodes"]
            # Who has control is a change of an active escalation too.
            changed = [("ai_resumed", node["id"]) for node in nodes if node["status"] != "RESOLVED"]
            scene.key.resume(scene.conversation)
            marker = Scene.of(scene.workspace).escalate()
            for socket, messages, changes in followed:
                message = (await socket.next(messages))["messageAdded"]["message"]
                assert message == {"content": "a marker"}
                passed_over = ["message_status_changed"] * (drafts if socket is dashboard else 0)
                for kind in [*passed_over, "ai_resumed"]:
                    assert (await socket.next(changes))["conversationUpdated"] == {"kind": kind}
            for kind, escalation in [*changed, ("created", marker)]:
                update = (await dashboard.next(updates))["escalationUpdated"]
                assert update == {"kind": kind, "escalation": {"id": escalation}}

        yield expect_marker
