"""Each kind of entry in a timeline has a text in the dashboard, and an event or a change in webhooks."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from models.driver_values import json_text
from models.escalation import TimelineEntry
from models.plain_row import new_row
from notifications.content.changes import CHANGED_FIELDS, Source, Values
from notifications.webhook.compose import compose
from notifications.webhook.docs import sample_content
from rules.escalation import Disposition, EscalationStatus, EscalationTrigger, Priority, TimelineKind
from rules.events import EventType
from rules.sla_clock import SlaStatus
from schema.escalation.types import TimelineEntry as ShownEntry
from tests.support.webhook_helpers import VALIDATORS

TEXTS = Path(__file__).parents[1] / "web/dashboard/escalation/timeline.ts"

ADA, BO = "0195e1a0-7c00-7000-8000-000000000001", "0195e1a0-7c00-7000-8000-000000000002"
AT = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)

# For each kind of change: the data of an entry as the resolver gives them, and the change in its webhook, in
# which members still have their ids.
ENTRIES: dict[str, tuple[dict[str, Any], tuple[str, str | None, str | None]]] = {
    TimelineKind.ASSIGNED: ({"assignee": BO, "previous": ADA}, ("assignee", ADA, BO)),
    TimelineKind.UNASSIGNED: ({"assignee": None, "previous": ADA}, ("assignee", ADA, None)),
    TimelineKind.PRIORITY_CHANGED: (
        {"previous": Priority.MEDIUM, "priority": Priority.URGENT},
        ("priority", "medium", "urgent"),
    ),
    TimelineKind.STATUS_CHANGED: (
        {"previous": EscalationStatus.OPEN, "status": EscalationStatus.IN_PROGRESS},
        ("status", "open", "in_progress"),
    ),
    TimelineKind.TRIGGERED: (
        {"trigger": EscalationTrigger.BUTTON, "reason": "customer_asked", "detail": None},
        ("trigger", None, "button"),
    ),
    TimelineKind.NOTED: ({"note": ADA}, ("note", None, None)),
    TimelineKind.SLA_ON_TRACK: (
        {"previous": SlaStatus.AT_RISK, "status": SlaStatus.ON_TRACK},
        ("slaStatus", "at_risk", "on_track"),
    ),
    TimelineKind.DISPOSITION_CHANGED: (
        {"previous": None, "disposition": Disposition.NEEDED},
        ("disposition", None, "needed"),
    ),
}


def stored(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of an entry as they are read from the database."""
    read: dict[str, Any] = json.loads(json_text(data))
    return read


def entry(kind: str) -> dict[str, Any]:
    """Return the data of an entry of a kind as they are stored."""
    assert kind in ENTRIES, f"add an entry of the kind {kind} to ENTRIES in this file"
    return stored(ENTRIES[kind][0])


@pytest.mark.parametrize("kind", TimelineKind)
def test_kind_has_a_text_in_the_dashboard(kind: TimelineKind) -> None:
    [texts] = re.findall(r"const TEXTS: .*?\n};", TEXTS.read_text(), re.DOTALL)
    keys = re.findall(r"^  (\w+): \"", texts, re.MULTILINE)
    assert kind in keys, f"add {kind} to TEXTS in web/dashboard/escalation/timeline.ts"


@pytest.mark.parametrize("kind", TimelineKind)
def test_kind_without_an_event_of_its_own_has_a_changed_field(kind: TimelineKind) -> None:
    # The kinds of control are events of the conversation, and not logged for the escalation.
    has_own_event = bool({f"escalation.{kind}", f"conversation.{kind}"} & set(EventType))
    assert has_own_event != (kind in CHANGED_FIELDS), (
        f"add {kind} to CHANGED_FIELDS in notifications/content/changes.py and run `make webhooks`, "
        "or give it an event of its own: EventType in rules/events.py"
    )


@pytest.mark.parametrize("kind", CHANGED_FIELDS)
def test_change_of_each_kind_is_composed(kind: str) -> None:
    changed = CHANGED_FIELDS[kind].change(entry(kind))
    assert (changed.field, changed.before, changed.after) == ENTRIES[kind][1]
    body = json.loads(compose(replace(sample_content(EventType.UPDATED), change=kind, changed=changed)))
    VALIDATORS[EventType.UPDATED].validate(body)
    assert (body["data"]["change"], body["data"]["changed"]["after"]) == (kind, changed.after)


@pytest.mark.parametrize("kind", CHANGED_FIELDS)
def test_entry_of_each_kind_shows_no_uuid(kind: str) -> None:
    row = new_row(
        TimelineEntry, escalation_id=UUID(ADA), position=1, kind=kind, data=entry(kind), occurred_at=AT
    )
    shown = json_text(ShownEntry.of(row).data)
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", shown), (
        f"an id in the data of {kind} is shown as a UUID: add its key to _KEYS_IN_DATA in "
        "schema/escalation/types.py"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (0, "0"),
        (30, "30"),
        (True, "true"),
        (AT, "2026-03-02T17:30:00+00:00"),
        ("Europe/Berlin", "Europe/Berlin"),
        (["AI", 2], '["AI",2]'),
    ],
)
def test_plain_value_is_shown_as_a_text(value: Any, shown: str | None) -> None:
    change = Source("snooze", "previous", "value").change(stored({"previous": value, "value": value}))
    assert (change.before, change.after) == (shown, shown)


@pytest.mark.parametrize("values", Values)
def test_value_that_an_entry_lacks_is_null(values: Values) -> None:
    change = Source("snooze", "previous", "value", values).change({})
    assert (change.before, change.after) == (None, None)
