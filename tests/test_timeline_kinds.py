"""Each kind of entry in a timeline has a text in the dashboard, and an event or a change in webhooks."""

import re
from pathlib import Path

import pytest

from notifications.content.changes import CHANGED_FIELDS
from rules.escalation import TimelineKind
from rules.events import EventType

TEXTS = Path(__file__).parents[1] / "web/dashboard/escalation/timeline.ts"


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
