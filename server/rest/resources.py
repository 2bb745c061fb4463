"""The JSON of the REST API: camelCase names, enum values in lower case, TypeIDs, times in UTC with a Z."""

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
    JsonValue,
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
    """An enum that JSON spells as words in lower case."""

    def __get_pydantic_core_schema__(self, enum: type[StrEnum], _: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write the word; a member is accepted unchanged."""
        words = core_schema.literal_schema([member.lower() for member in enum])

        def read(value: Any, read_word: _Read) -> StrEnum:
            return value if isinstance(value, enum) else enum(read_word(value).upper())

        return core_schema.no_info_wrap_validator_function(
            read,
            words,
            serialization=core_schema.plain_serializer_function_ser_schema(str.lower, return_schema=words),
        )


class Id:
    """A UUID that JSON spells as a TypeID of one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __get_pydantic_core_schema__(self, _: type[UUID], __: GetCoreSchemaHandler) -> CoreSchema:
        """Read and write the id; a UUID is accepted unchanged."""
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
        """Return the pattern and an example."""
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
# The rule of resolvers.validation.check_words for programs; the check itself is there.
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
# The rule of resolvers.validation.check_json for programs; the check itself is there.
Metadata = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "additionalProperties": True, "examples": [{"orderId": "1042"}]}),
]
Email = Annotated[str, WithJsonSchema({"type": "string", "minLength": 3, "examples": ["jane@example.com"]})]
EmailOrEmpty = Annotated[str, WithJsonSchema({"type": "string", "examples": ["jane@example.com", ""]})]


class Input(BaseModel):
    """Input of a caller: JSON names only, and exactly the declared types."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class EscalateRequest(Input):
    """Ask for a person in a conversation."""

    reason: Words = Field(description="The reason, in the caller's words.")
    priority: PriorityWord | None = Field(None, description="The default is that of the AI agent's settings.")
    assign_to: Email | None = Field(None, description="A team member's email.")
    summary: Words | None = Field(
        None, description="Words for the person who answers. They replace those of an earlier call."
    )
    metadata: Metadata | None = Field(
        None, description="Data of your own, returned as it is. It replaces that of an earlier call."
    )


class HookRequest(Input):
    """Ask for a person in a conversation, from a system that can only post. Other fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    conversation_id: ConversationId
    reason: Words = Field(description="The reason, in the caller's words.")
    priority: PriorityWord | None = Field(None, description="The default is that of the AI agent's settings.")


CHANGES: Final = ("status", "priority", "assignTo", "note")
# The types that are a change; null in the other fields leaves them as they are.
_CHANGE_TYPES: Final[dict[str, JsonValue]] = {"assignTo": ["string", "null"]}


class UpdateRequest(Input):
    """Changes of an escalation, made completely or not at all. Omitted fields stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": _CHANGE_TYPES.get(name, "string")}}}
                for name in CHANGES
            ]
        }
    )

    status: StatusWord | None = None
    priority: PriorityWord | None = None
    assign_to: EmailOrEmpty | None = Field(
        None, description="A team member's email. Null or an empty string unassigns."
    )
    note: Words | None = Field(None, description="An internal note. The customer never sees it.")
    expected_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None,
        description="The version that the change is based on; 409 if it is another.",
    )

    @property
    def unassigns(self) -> bool:
        """The field assignTo is present and null. An absent one leaves the assignee."""
        return self.assign_to is None and "assign_to" in self.model_fields_set


class ListQuery(Input):
    """The filter of a list of escalations."""

    agent_id: AgentId | None = Field(None, description="Escalations of one AI agent.")
    status: Annotated[tuple[StatusWord, ...], Field(max_length=len(EscalationStatus))] | None = Field(
        None, description="Repeated or separated by commas."
    )
    priority: Annotated[tuple[PriorityWord, ...], Field(max_length=len(Priority))] | None = Field(
        None, description="Repeated or separated by commas."
    )
    first: Annotated[int, Field(ge=1, le=LARGEST)] | None = Field(
        None, description="The maximum number of escalations; the default is 50."
    )
    after: str | None = Field(None, description="The nextCursor of the previous page.")


class Output(BaseModel):
    """The base of all responses."""

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
        description="The current status while the clock runs, else the status at its stop."
    )
    outcome: Annotated[SlaOutcome, Word()] = Field(description="cancelled: resolved in time without a reply.")
    target_minutes: int = Field(examples=[120])
    started_at: Instant
    at_risk_at: Instant
    due_at: Instant
    met_at: Instant | None = Field(description="The time of a first reply within the target.")
    breached_at: Instant | None = Field(description="The same as dueAt, once the target is missed.")


class Escalation(Output):
    """A request for people in a conversation."""

    id: EscalationId
    conversation_id: ConversationId
    agent_id: AgentId
    status: StatusWord
    priority: PriorityWord
    trigger: Annotated[EscalationTrigger, Word()] = Field(description="The first trigger.")
    reason: str = Field(examples=["VIP customer flagged for priority support"])
    detail: str | None = Field(description="The matched words, topic or tool.")
    summary: str | None = Field(description="The caller's words for the person who answers.")
    metadata: dict[str, JsonValue] | None = Field(description="The caller's own data.")
    confidence: float | None = Field(description="Confidence of the AI reply that raised it, in percent.")
    assign_to: Email | None = Field(description="The assigned team member's email.")
    created_at: Instant
    first_responded_at: Instant | None
    resolved_at: Instant | None
    version: int = Field(description="Increases by one with every change.", examples=[1])
    sla: Sla


class RaisedEscalation(Escalation):
    """The escalation that results from a call."""

    confirmation_message: str = Field(description="The text that the customer is shown.")
    created: bool = Field(description="False if an active escalation absorbed this call.")


class WrittenEscalation(Output):
    """An escalation, as a key without ESCALATIONS_READ sees it."""

    id: EscalationId
    conversation_id: ConversationId
    agent_id: AgentId
    status: StatusWord
    priority: PriorityWord
    created_at: Instant
    resolved_at: Instant | None
    version: int = Field(description="Increases by one with every change.", examples=[1])


class RaisedWrittenEscalation(WrittenEscalation):
    """The escalation that results from a call of a key without ESCALATIONS_READ."""

    confirmation_message: str = Field(description="The text that the customer is shown.")
    created: bool = Field(description="False if an active escalation absorbed this call.")


class ReceivedCall(Output):
    """Response of the incoming webhook."""

    id: EscalationId
    conversation_id: ConversationId
    status: StatusWord
    priority: PriorityWord
    created_at: Instant
    confirmation_message: str = Field(description="The text that the customer is shown.")
    created: bool = Field(description="False if an active escalation absorbed this call.")


class EscalationList(Output):
    """A page of escalations, newest first."""

    escalations: list[Escalation]
    next_cursor: str | None = Field(description="The `after` of the next page; null on the last page.")


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
    """Return the row as it is at `now`, with its assignee's email."""
    return Escalation(
        id=row.id,
        conversation_id=row.conversation_id,
        agent_id=row.agent_id,
        status=row.status,
        priority=row.priority,
        trigger=row.trigger,
        reason=row.reason,
        detail=row.detail,
        summary=row.summary,
        metadata=row.details,
        confidence=row.confidence,
        assign_to=assign_to,
        created_at=row.created_at,
        first_responded_at=row.first_responded_at,
        resolved_at=row.resolved_at,
        version=row.version,
        sla=_sla_of(row, now),
    )


def written_escalation(row: tables.Escalation) -> WrittenEscalation:
    """Return the row for a key that may not read escalations."""
    return WrittenEscalation(
        id=row.id,
        conversation_id=row.conversation_id,
        agent_id=row.agent_id,
        status=row.status,
        priority=row.priority,
        created_at=row.created_at,
        resolved_at=row.resolved_at,
        version=row.version,
    )
