"""Texts for customers with placeholders, through the public API."""

import pytest

from tests.support.baton_client import Refused, Workspace
from tests.support.conversation_driver import Talk

SETTINGS = (
    "query($id: ID!) { escalationSettings(agentId: $id) { widget { confirmationMessage buttonText } } }"
)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("confirmationMessage", "We answer within {respone_time}."),
        ("confirmationMessage", "We answer within { response_time }."),
        ("confirmationMessage", "We answer within {Response_Time}."),
        ("buttonText", "Ask {agent}"),
    ],
)
def test_unknown_placeholder_is_refused_and_changes_nothing(
    workspace: Workspace, field: str, text: str
) -> None:
    talk = Talk.begin(workspace)
    before = talk.key.ask(SETTINGS, id=talk.agent_id)
    with pytest.raises(Refused) as refused:
        talk.key.settings(talk.agent_id, widget={field: text})
    assert (refused.value.code, refused.value.field) == ("BAD_USER_INPUT", f"input.widget.{field}")
    assert "unknown placeholder" in str(refused.value)
    assert talk.key.ask(SETTINGS, id=talk.agent_id) == before


def test_target_in_business_hours_is_promised_in_working_days(workspace: Workspace) -> None:
    week = [{"day": day, "opens": "00:00", "closes": "08:00"} for day in ("MONDAY", "TUESDAY", "FRIDAY")]
    sla = {"targetResponseMinutes": 1_440, "businessHours": {"timezone": "UTC", "week": week}}
    talk = Talk.begin(workspace, sla=sla)
    talk.key.escalate(talk.id)
    assert talk.notices == [
        "Your request has been escalated to our support team. We typically respond within 3 working days."
    ]
