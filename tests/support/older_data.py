"""Rows as older versions of Baton stored them, at any revision of the database."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from pgqueuer.queries import Queries
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import models.migrations
from models.ids import new_id
from models.sealing import Seal

SECRET = secrets.token_hex(32)
# The settings and the policy that the first version stored for a new AI agent and its escalations.
_SLA = {
    "business_hours": {"week": [], "holidays": [], "timezone": "UTC", "holiday_calendar": None},
    "at_risk_percent": 80,
    "default_priority": "MEDIUM",
    "targets_by_priority": [],
    "target_response_minutes": 120,
}
_SETTINGS = {
    "ai": {"resume_on": "RESOLUTION"},
    "sla": _SLA,
    "widget": {
        "button_text": "Talk to a human",
        "allowed_origins": [],
        "button_visibility": "ALWAYS",
        "confirmation_message": "Your request has been escalated to our support team.",
        "button_after_messages": 3,
    },
    "triggers": {"topics": [], "extra_phrases": [], "phrases_enabled": True, "tool_failure_limit": 3},
    "auto_escalation": {"enabled": True, "delay_seconds": 0, "confidence_threshold": 50.0},
}
_SCOPES = [
    "ADMIN",
    "CONVERSATIONS_READ",
    "CONVERSATIONS_WRITE",
    "ESCALATIONS_READ",
    "ESCALATIONS_WRITE",
    "SETTINGS_READ",
]
_COLUMNS = """SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER'"""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(models.migrations.__file__).parent))
    return config


def revisions() -> list[str]:
    """Return the revisions from the first to the newest."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in scripts][::-1]


async def upgrade(url: str, revision: str) -> None:
    """Apply the migrations up to a revision."""

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda *_, **__: asyncpg.connect(url))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


@dataclass(frozen=True)
class Clock:
    """A running escalation: its conversation, and the instant of its next crossing."""

    escalation_id: UUID
    conversation_id: UUID
    at: datetime


class OlderData:
    """The rows of one workspace, with an API key, written by the version of a database's revision."""

    def __init__(self, connection: asyncpg.Connection, now: datetime) -> None:
        self._connection = connection
        self._columns: dict[str, set[str]] = {}
        self.now = now
        self.api_key = f"baton_sk_{secrets.token_urlsafe(32)}"
        self.workspace_id, self.agent_id, self.member_id = new_id(), new_id(), new_id()
        self.endpoint_id, self.delivery_id = new_id(), new_id()
        self.clocks: list[Clock] = []
        self.pending: dict[UUID, datetime] = {}

    async def write(self) -> None:
        """Write a workspace with running, passed, answered and pending escalations, and deliveries."""
        await self._write_workspace()
        hour = timedelta(hours=1)
        self.clocks = [
            await self._write_clock("ON_TRACK", self.now + hour, self.now + 2 * hour),
            await self._write_clock("AT_RISK", self.now - hour, self.now + hour),
        ]
        self.answered_id = await self._write_escalation("ON_TRACK", self.now, self.now, answered=True)
        if await self._names("pgqueuer"):
            clocks = {clock.escalation_id: clock.at for clock in self.clocks}
            await self._set_timers("sla_clock", clocks)
        if await self._names("pending_escalations"):
            await self._write_pending(self.now + hour)
        if await self._names("deliveries"):
            await self._write_delivery()

    async def learn(self) -> None:
        """Read the columns of all tables now, before the database is upgraded."""
        for row in await self._connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        ):
            await self._names(row["tablename"])

    async def _write_workspace(self) -> None:
        own: dict[str, Any] = {"workspace_id": self.workspace_id, "created_at": self.now}
        await self._insert("workspaces", id=self.workspace_id, name="W", scratch=False, created_at=self.now)
        await self._insert("streams", id=self.workspace_id, head=0, head_at=self.now)
        await self._insert(
            "agents",
            **own,
            id=self.agent_id,
            name="Robot",
            settings=json.dumps(_SETTINGS),
            settings_version=1,
        )
        await self._insert(
            "members",
            **own,
            id=self.member_id,
            email="ann@old.example",
            name="Ann",
            role="AGENT",
            available=True,
        )
        await self._insert(
            "api_keys",
            **own,
            id=new_id(),
            name="First key",
            prefix=self.api_key[:15],
            key_hash=hashlib.sha256(self.api_key.encode()).digest(),
            scopes=_SCOPES,
        )

    async def _write_conversation(self, *contents: tuple[str, str]) -> tuple[UUID, list[UUID]]:
        conversation_id, ids = new_id(), [new_id() for _ in contents]
        await self._insert("streams", id=conversation_id, head=0, head_at=self.now)
        await self._insert(
            "conversations",
            id=conversation_id,
            workspace_id=self.workspace_id,
            agent_id=self.agent_id,
            customer_email="customer@old.example",
            customer_name="Olga",
            ai_state="ACTIVE",
            ai_epoch=1,
            messages=len(contents),
            customer_messages=1,
            uncertain_replies=0,
            created_at=self.now,
            last_message_at=self.now,
        )
        for position, (id_, (role, content)) in enumerate(zip(ids, contents, strict=True), 1):
            await self._insert(
                "messages",
                id=id_,
                conversation_id=conversation_id,
                position=position,
                role=role,
                status="DELIVERED",
                content=content,
                intents=[],
                confidence=90.0 if role == "ASSISTANT" else None,
                created_at=self.now,
            )
        return conversation_id, ids

    async def _write_clock(self, status: str, at_risk: datetime, due: datetime) -> Clock:
        escalation_id = await self._write_escalation(status, at_risk, due)
        conversation_id = await self._connection.fetchval(
            "SELECT conversation_id FROM escalations WHERE id = $1", escalation_id
        )
        return Clock(escalation_id, conversation_id, due if at_risk < self.now else at_risk)

    async def _write_escalation(
        self, status: str, at_risk: datetime, due: datetime, *, answered: bool = False
    ) -> UUID:
        conversation_id, _ = await self._write_conversation(("USER", "marzipan"), ("ASSISTANT", "A reply"))
        await self._connection.execute(
            "UPDATE conversations SET ai_state = 'PAUSED', ai_pause_cause = 'ESCALATION', ai_paused_at = $2, "
            "ai_epoch = 2 WHERE id = $1",
            conversation_id,
            self.now,
        )
        escalation_id, ended = new_id(), self.now if answered else None
        await self._insert(
            "escalations",
            id=escalation_id,
            workspace_id=self.workspace_id,
            agent_id=self.agent_id,
            conversation_id=conversation_id,
            status="IN_PROGRESS" if answered else "OPEN",
            priority="MEDIUM",
            trigger="API",
            reason="needs a person",
            confirmation="Your request has been escalated to our support team.",
            assignee_id=self.member_id if answered else None,
            sla_policy=json.dumps(_SLA),
            sla_target_minutes=120,
            sla_started_at=self.now,
            sla_at_risk_at=at_risk,
            sla_due_at=due,
            sla_stopped_at=ended,
            sla_status=status,
            sla_next_at=None if answered else at_risk if at_risk > self.now else due,
            created_at=self.now,
            first_responded_at=ended,
            first_response_business_us=0 if answered else None,
            kept_ai_paused=False,
            timeline=1,
            version=1,
        )
        await self._write_facts(escalation_id)
        return escalation_id

    async def _write_facts(self, escalation_id: UUID) -> None:
        own: dict[str, Any] = {"escalation_id": escalation_id, "occurred_at": self.now}
        count = {"count": 1, "last_occurred_at": self.now}
        await self._insert("trigger_events", **own, **count, id=new_id(), trigger="API", reason="a person")
        facts = {"reason": "needs a person", "trigger": "API", "assignee": None, "priority": "MEDIUM"}
        await self._insert("timeline_entries", **own, position=1, kind="created", data=json.dumps(facts))
        await self._insert(
            "escalation_notes",
            id=new_id(),
            escalation_id=escalation_id,
            author_id=self.member_id,
            body="A note",
            created_at=self.now,
        )

    async def _write_pending(self, fires_at: datetime) -> None:
        conversation_id, (_, reply_id) = await self._write_conversation(("USER", "Hi"), ("ASSISTANT", "Hm"))
        pending_id = new_id()
        await self._insert(
            "pending_escalations",
            id=pending_id,
            workspace_id=self.workspace_id,
            agent_id=self.agent_id,
            conversation_id=conversation_id,
            message_id=reply_id,
            confidence=20.0,
            requested_at=self.now,
            fires_at=fires_at,
            outcome="WAITING",
        )
        await self._connection.execute(
            "UPDATE conversations SET pending_escalation_id = $2 WHERE id = $1", conversation_id, pending_id
        )
        self.pending = {pending_id: fires_at}
        await self._set_timers("pending_escalation", self.pending)

    async def _write_delivery(self) -> None:
        own: dict[str, Any] = {"workspace_id": self.workspace_id, "agent_id": self.agent_id}
        target_id, url = new_id(), "https://receiver.example/hook"
        await self._insert("planned_logs", workspace_id=self.workspace_id, position=0)
        await self._insert(
            "webhook_endpoints",
            **own,
            id=self.endpoint_id,
            url=url,
            event_types=[],
            enabled=True,
            secret=Seal(SECRET).seal("whsec_" + "A" * 32, f"webhook secret of {self.endpoint_id}"),
            created_at=self.now,
        )
        await self._insert(
            "delivery_targets",
            **own,
            id=target_id,
            channel="WEBHOOK",
            key=str(self.endpoint_id),
            endpoint_id=self.endpoint_id,
        )
        await self._insert(
            "deliveries",
            **own,
            id=self.delivery_id,
            target_id=target_id,
            channel="WEBHOOK",
            target=url,
            event_type="escalation.created",
            position=1,
            escalation_id=self.answered_id,
            occurred_at=self.now,
            status="DELIVERED",
            body=b"{}",
            attempts_made=1,
            created_at=self.now,
            ended_at=self.now,
        )
        await self._insert(
            "delivery_attempts",
            id=new_id(),
            delivery_id=self.delivery_id,
            attempted_at=self.now,
            succeeded=True,
            response="204",
            duration_ms=12,
        )

    async def _set_timers(self, kind: str, rows: dict[UUID, datetime]) -> None:
        await Queries.from_asyncpg_connection(self._connection).enqueue(
            [kind] * len(rows),
            [key.bytes for key in rows],
            [0] * len(rows),
            [at - datetime.now(UTC) for at in rows.values()],
        )

    async def _names(self, table: str) -> set[str]:
        if table not in self._columns:
            rows = await self._connection.fetch(_COLUMNS, table)
            self._columns[table] = {row["column_name"] for row in rows}
        return self._columns[table]

    async def _insert(self, table: str, **values: Any) -> None:
        """Insert a row with those of the values for which the database has a column."""
        stored = {name: value for name, value in values.items() if name in await self._names(table)}
        places = ", ".join(f"${place}" for place in range(1, len(stored) + 1))
        await self._connection.execute(
            f"INSERT INTO {table} ({', '.join(stored)}) VALUES ({places})", *stored.values()
        )
