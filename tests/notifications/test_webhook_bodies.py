"""Webhooks' bodies are what docs/webhooks.md and its JSON Schemas say, and the source document's example."""

import copy
import json
import string
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.content.snapshots import EscalationSnapshot, NotificationContent, TranscriptMessage
from notifications.webhook.compose import EVENT_TYPES, compose
from notifications.webhook.docs import BEGIN, END, events_part, sample_content, written_into
from notifications.webhook.schemas import SCHEMAS
from rules.ai_control import AiState
from rules.escalation import EscalationStatus, EscalationTrigger, Priority
from rules.message import MessageRole
from rules.sla_clock import SlaStatus

DOCS = Path(__file__).parents[2] / "docs/webhooks.md"
VALIDATORS = {
    type_: jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for type_, schema in SCHEMAS.items()
}
# The source document's example, as it stands there.
SOURCE = {
    "type": "escalation.created",
    "data": {
        "escalationId": "esc_abc123",
        "conversationId": "conv_xyz789",
        "reason": "low_confidence",
        "confidence": 35,
        "priority": "medium",
        "customerEmail": "jane@example.com",
        "transcript": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}],
    },
}


_ANY_MESSAGE = "msg_01jnfks2g0e008000000000003"


def validated_body(story: NotificationContent) -> dict[str, Any]:
    """Return the body after a check of its schema."""
    body: dict[str, Any] = json.loads(compose(story))
    VALIDATORS[story.type].validate(body)
    return body


def created(**changes: Any) -> NotificationContent:
    """Return an escalation.created with a changed escalation."""
    story = sample_content("escalation.created")
    assert story.escalation
    return replace(story, escalation=replace(story.escalation, **changes))


def test_escalation_created_is_the_source_documents_example() -> None:
    story = created(id="esc_abc123")
    said = [replace(item, content="...") for item in story.conversation.transcript]
    story = replace(story, conversation=replace(story.conversation, id="conv_xyz789", transcript=tuple(said)))
    body = json.loads(compose(story))
    assert body["type"] == SOURCE["type"]
    first = dict(list(body["data"].items())[: len(SOURCE["data"])])
    # Later fields follow those of the document, in the messages too.
    first["transcript"] = [dict(list(message.items())[:2]) for message in first["transcript"]]
    assert json.dumps(first) == json.dumps(SOURCE["data"])


def test_events_are_those_of_the_product() -> None:
    assert EVENT_TYPES == (
        "escalation.created",
        "escalation.updated",
        "escalation.replied",
        "escalation.resolved",
        "escalation.reopened",
        "escalation.sla_at_risk",
        "escalation.sla_breached",
        "turn.requested",
        "conversation.ai_paused",
        "conversation.ai_resumed",
    )
    assert list(SCHEMAS) == [*EVENT_TYPES, "test"]


@pytest.mark.parametrize("type_", SCHEMAS)
def test_every_event_fits_its_schema_and_no_other(type_: str) -> None:
    jsonschema_rs.meta.validate(SCHEMAS[type_])
    body = validated_body(sample_content(type_))
    assert [other for other, schema in VALIDATORS.items() if schema.is_valid(body)] == [type_]
    assert list(undocumented(SCHEMAS[type_], body)) == []


def undocumented(schema: dict[str, Any], value: Any) -> Iterator[str]:
    """Yield the parts of a body that its schema does not have."""
    if isinstance(value, list):
        for inner in value:
            yield from undocumented(schema["items"], inner)
    # Callers' own data has no properties that are known.
    if isinstance(value, dict) and "properties" in schema:
        yield from set(value) - set(schema["properties"])
        for name, inner in value.items():
            yield from undocumented(schema["properties"][name], inner)


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of a body's values; the caller's own metadata counts as one value."""
    if path:
        yield path
    if path and path[-1] == "conversationMetadata":
        return
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, *path, key)


@pytest.mark.parametrize("type_", SCHEMAS)
def test_schema_detects_a_missing_or_mistyped_value(type_: str) -> None:
    body = validated_body(sample_content(type_))
    for *path, last in places(body):
        for mangle in ("leave out", "of another type"):
            if mangle == "leave out" and isinstance(last, int):
                continue
            mangled = copy.deepcopy(body)
            parent: Any = mangled
            for key in path:
                parent = parent[key]
            if mangle == "leave out":
                del parent[last]
            else:
                parent[last] = "true" if isinstance(parent[last], bool) else True
            assert not VALIDATORS[type_].is_valid(mangled), (mangle, path, last)
    assert VALIDATORS[type_].is_valid({**body, "more": 1, "data": {**body["data"], "more": 1}})


@pytest.mark.parametrize(
    ("confidence", "written"),
    [(35.0, "35"), (0.0, "0"), (100.0, "100"), (41.5, "41.5"), (1e-3, "0.001"), (None, "null")],
)
def test_whole_confidence_is_written_whole(confidence: float | None, written: str) -> None:
    assert f'"confidence":{written},' in compose(created(confidence=confidence)).decode()
    validated_body(created(confidence=confidence))


def test_times_are_written_in_utc() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 7, 1, 2, 15, 0, 1_000, tzinfo=east)
    body = validated_body(
        replace(created(created_at=at, resolved_at=at.replace(microsecond=0)), occurred_at=at)
    )
    assert body["timestamp"] == body["data"]["createdAt"] == "2026-06-30T20:45:00.001000Z"
    assert body["data"]["resolvedAt"] == "2026-06-30T20:45:00Z"


def test_transcript_holds_the_words_of_customer_ai_and_members() -> None:
    story, at = sample_content("escalation.created"), datetime(2026, 3, 2, tzinfo=UTC)
    said = tuple(TranscriptMessage(_ANY_MESSAGE, role, f"by {role}", at, "Bo") for role in MessageRole)
    story = replace(story, conversation=replace(story.conversation, transcript=said))
    transcript = validated_body(story)["data"]["transcript"]
    assert [{name: message[name] for name in ("role", "content")} for message in transcript] == [
        {"role": "user", "content": "by USER"},
        {"role": "assistant", "content": "by ASSISTANT"},
        {"role": "human", "content": "by HUMAN"},
    ]


def test_event_holds_the_epoch_and_state_of_its_own_time() -> None:
    for type_, state in (("conversation.ai_paused", "paused"), ("conversation.ai_resumed", "active")):
        for today in AiState:
            story = sample_content(type_)
            conversation = replace(story.conversation, ai_state=today, ai_epoch=9)
            story = replace(story, conversation=conversation, epoch=4, escalation=None)
            data = validated_body(story)["data"]
            assert (data["state"], data["epoch"], data["escalationId"]) == (state, 4, None)
    turn = sample_content("turn.requested")
    turn = replace(turn, conversation=replace(turn.conversation, ai_epoch=9), epoch=4)
    assert validated_body(turn)["data"]["epoch"] == 4


def test_update_names_its_changes_and_a_reply_its_text() -> None:
    updated = validated_body(sample_content("escalation.updated"))["data"]
    assert updated["change"] == "assigned"
    assert updated["changed"] == {
        "field": "assignee",
        "before": None,
        "after": "bo@example.com",
        "version": 2,
    }
    assert validated_body(sample_content("escalation.replied"))["data"]["message"] == {
        "id": "msg_01jnfks2g0e008000000000006",
        "role": "human",
        "content": "I will look into it.",
        "author": "Bo",
        "createdAt": "2026-03-02T09:27:04.250000Z",
        "intents": [],
    }
    for type_ in set(SCHEMAS) - {"escalation.updated", "escalation.replied", "turn.requested"}:
        assert not {"change", "message"} & set(validated_body(sample_content(type_))["data"]), type_


def test_escalation_event_without_escalation_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"escalation\.created needs an escalation"):
        compose(replace(created(), escalation=None))


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
EMAILS = st.text(string.ascii_letters, min_size=1).map(lambda name: f"{name}@example.com")
ESCALATIONS = st.builds(
    EscalationSnapshot,
    id=st.just("esc_01jnfks2g0e008000000000005"),
    link=st.just("http://127.0.0.1:8000/app/escalations/esc_01jnfks2g0e008000000000005"),
    status=st.sampled_from(EscalationStatus),
    priority=st.sampled_from(Priority),
    trigger=st.sampled_from(EscalationTrigger),
    reason=TEXTS,
    detail=st.none() | TEXTS,
    confidence=st.none() | st.floats(0, 100),
    assignee_name=st.none() | TEXTS,
    assignee_email=st.none() | EMAILS,
    created_at=TIMES,
    target_minutes=st.integers(1, 10**6),
    at_risk_at=TIMES,
    due_at=TIMES,
    sla_status=st.sampled_from(SlaStatus),
    first_responded_at=st.none() | TIMES,
    resolved_at=st.none() | TIMES,
    resolution_note=st.none() | TEXTS,
)


@given(ESCALATIONS, st.none() | TEXTS, st.none() | EMAILS, TEXTS, TIMES)
def test_any_event_fits_its_schema_and_round_trips(
    escalation: EscalationSnapshot, name: str | None, email: str | None, said: str, at: datetime
) -> None:
    story = sample_content("escalation.created")
    conversation = replace(
        story.conversation,
        customer_name=name,
        customer_external_id=name,
        customer_email=email,
        transcript=(TranscriptMessage(_ANY_MESSAGE, MessageRole.USER, said, at),),
    )
    data = validated_body(replace(story, occurred_at=at, escalation=escalation, conversation=conversation))[
        "data"
    ]
    assert data["reason"] == escalation.reason
    assert data["confidence"] == escalation.confidence
    [message] = data["transcript"]
    assert (message["role"], message["content"]) == ("user", said)
    assert (data["customerName"], data["customerEmail"]) == (name, email)
    assert datetime.fromisoformat(data["dueAt"]) == escalation.due_at
    assert (data["assignee"] is None) == (escalation.assignee_name is None)


def test_docs_list_every_event() -> None:
    page = DOCS.read_text()
    assert page == written_into(page)
    part = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert part == events_part().strip()
    blocks = [json.loads(block.partition("```")[0]) for block in part.split("```json")[1:]]
    for example, schema in zip(blocks[::2], blocks[1::2], strict=True):
        assert schema == SCHEMAS[example["type"]]
        assert example == validated_body(sample_content(example["type"]))
    assert [example["type"] for example in blocks[::2]] == list(SCHEMAS)


def test_page_without_markers_is_unchanged() -> None:
    with pytest.raises(ValueError, match="no markers"):
        written_into("# A page\n")
