"""The JSON of the REST API: camelCase names, enums' words in lower case, TypeIDs, times in UTC with a Z."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from models import escalation as tables
from resolvers.pagination import LARGEST
from rules import typeid
from rules.encoding import format_datetime
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.sla_clock import SlaOutcome, SlaStatus
from rules.text import WORDS_LIMIT

_Read = Callable[[Any], Any]


class Word:
    """In JSON a word in lower case, in Python the member of an enum."""

    def __get_pydantic_core_schema__(self, enum: type[StrEnum], _: GetCoreSchemaHandler) -> CoreSchema:
        """Reads and writes the word; a member is taken as it is."""
        words = core_schema.literal_schema([member.lower() for member in enum])

        def read(value: Any, read_word: _Read) -> StrEnum:
            return value if isinstance(value, enum) else enum(read_word(value).upper())

        return core_schema.no_info_wrap_validator_function(
            read,
            words,
            serialization=core_schema.plain_serializer_function_ser_schema(str.lower, return_schema=words),
        )


class Id:
    """In JSON a TypeID of one prefix, in Python its UUID."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __get_pydantic_core_schema__(self, _: type[UUID], __: GetCoreSchemaHandler) -> CoreSchema:
        """Reads and writes the id; a UUID is taken as it is."""
        text = core_schema.str_schema()

        def read(value: Any, read_text: _Read) -> UUID:
            return value if isinstance(value, UUID) else typeid.parse_id(self._prefix, read_text(value))

        def write(key: UUID) -> str:
            return typeid.format_id(self._prefix, key)

        return core_schema.no_info_wrap_validator_function(
            read,
            text,
            serialization=core_schema.plain_serializer_function_ser_schema(write, return_schema=text),
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        """The pattern and an example."""
        return {
            "type": "string",
            "pattern": f"^{self._prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
            "examples": [f"{self._prefix}_01kgp1wz5ye1ar59h2v8c0t4mn"],
        }


AgentId = Annotated[UUID, Id(typeid.AGENT)]
ConversationId = Annotated[UUID, Id(typeid.CONVERSATION)]
EscalationId = Annotated[UUID, Id(typeid.ESCALATION)]
StatusWord = Annotated[EscalationStatus, Word()]
PriorityWord = Annotated[Priority, Word()]
Instant = Annotated[
    datetime,
    PlainSerializer(format_datetime),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-02-05T09:30:00.000000Z"]}),
]
# What resolvers.checks.check_words takes, said for programs; the check itself stays there.
Words = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": WORDS_LIMIT,
            "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        }
    ),
]
Email = Annotated[str, WithJsonSchema({"type": "string", "minLength": 3, "examples": ["jane@example.com"]})]
EmailOrNobody = Annotated[str, WithJsonSchema({"type": "string", "examples": ["jane@example.com", ""]})]


class Input(BaseModel):
    """What a caller sends: by its JSON names alone, of exactly the types that are asked for."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class EscalateRequest(Input):
    """Ask for a person in a conversation."""

    reason: Words = Field(description="Why, in the caller's words.")
    priority: PriorityWord | None = Field(None, description="By default that of the AI agent's settings.")
    assign_to: Email | None = Field(None, description="A team member's email.")


class HookRequest(Input):
    """Ask for a person in a conversation, from a system that can only post."""

    conversation_id: ConversationId
    reason: Words = Field(description="Why, in the caller's words.")
    priority: PriorityWord | None = Field(None, description="By default that of the AI agent's settings.")


CHANGES: Final = ("status", "priority", "assignTo", "note")


class UpdateRequest(Input):
    """Change an escalation: everything that is given, or nothing of it. What is left out or null stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in CHANGES]
        }
    )

    status: StatusWord | None = None
    priority: PriorityWord | None = None
    assign_to: EmailOrNobody | None = Field(
        None, description="A team member's email; an empty string unassigns."
    )
    note: Words | None = Field(None, description="An internal note. The customer never sees it.")
    expected_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="The version that the change is made to; 409 when it is another by now."
    )


class ListQuery(Input):
    """Which escalations to list."""

    agent_id: AgentId | None = Field(None, description="Those of one AI agent.")
    status: tuple[StatusWord, ...] | None = Field(None, description="Repeated or separated by commas.")
    priority: tuple[PriorityWord, ...] | None = Field(None, description="Repeated or separated by commas.")
    first: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        None, description="How many at most; 50 when it is left out."
    )
    after: str | None = Field(None, description="The nextCursor of the page before.")


class Output(BaseModel):
    """What is answered."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=False,
        serialize_by_alias=True,
        extra="forbid",
        frozen=True,
    )


class Sla(Output):
    """The first-response clock of an escalation."""

    status: Annotated[SlaStatus, Word()] = Field(
        description="By now while the clock runs, else as it stopped."
    )
    outcome: Annotated[SlaOutcome, Word()] = Field(description="cancelled: resolved in time without a reply.")
    target_minutes: int = Field(examples=[120])
    started_at: Instant
    at_risk_at: Instant
    due_at: Instant
    met_at: Instant | None = Field(description="When a first reply in time stopped the clock.")
    breached_at: Instant | None = Field(description="dueAt, once the clock ran out unanswered.")


class Escalation(Output):
    """One time that people are asked for."""

    id: EscalationId
    conversation_id: ConversationId
    agent_id: AgentId
    status: StatusWord
    priority: PriorityWord
    trigger: Annotated[EscalationTrigger, Word()] = Field(description="What raised it first.")
    reason: str = Field(examples=["VIP customer flagged for priority support"])
    detail: str | None = Field(description="What exactly matched.")
    confidence: float | None = Field(description="The AI's when it was raised, in percent.")
    assign_to: Email | None = Field(description="The assigned team member's email.")
    created_at: Instant
    first_responded_at: Instant | None
    resolved_at: Instant | None
    version: int = Field(description="Grows by one with every change.", examples=[1])
    sla: Sla


class RaisedEscalation(Escalation):
    """The escalation that a call led to."""

    confirmation_message: str = Field(description="What the customer is shown.")
    created: bool = Field(description="False when an active escalation took this call in.")


class ReceivedCall(Output):
    """What a system that can only post is told: no more of the escalation than it needs."""

    id: EscalationId
    conversation_id: ConversationId
    status: StatusWord
    priority: PriorityWord
    created_at: Instant
    confirmation_message: str = Field(description="What the customer is shown.")
    created: bool = Field(description="False when an active escalation took this call in.")


class EscalationList(Output):
    """A page of escalations, newest first."""

    escalations: list[Escalation]
    next_cursor: str | None = Field(description="Give it back as `after`; null on the last page.")


def _sla_of(row: tables.Escalation, now: datetime) -> Sla:
    clock = row.clock
    outcome = clock.outcome(now)
    return Sla(
        status=clock.status(now),
        outcome=outcome,
        target_minutes=clock.target_minutes,
        started_at=clock.started_at,
        at_risk_at=clock.at_risk_at,
        due_at=clock.due_at,
        met_at=clock.met_at(now),
        breached_at=clock.breached_at(now),
    )


def escalation_resource(row: tables.Escalation, assign_to: str | None, now: datetime) -> Escalation:
    """The row as it is at `now`, with its assignee's email."""
    return Escalation(
        id=row.id,
        conversation_id=row.conversation_id,
        agent_id=row.agent_id,
        status=row.status,
        priority=row.priority,
        trigger=row.trigger,
        reason=row.reason,
        detail=row.detail,
        confidence=row.confidence,
        assign_to=assign_to,
        created_at=row.created_at,
        first_responded_at=row.first_responded_at,
        resolved_at=row.resolved_at,
        version=row.version,
        sla=_sla_of(row, now),
    )
