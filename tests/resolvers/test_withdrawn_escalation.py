"""Pending escalations that new settings no longer ask for, and the button after low confidence."""

import asyncio
from typing import Any

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.locks import Contender, Scene, outcomes, send
from tests.support.pending_escalations import Doubt, await_timers, end_delays

CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { kind } }"""
SETTINGS = """mutation($i: UpdateEscalationSettingsInput!) {
    updateEscalationSettings(input: $i) { settings { version } } }"""


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


def change(doubt: Doubt, **auto: Any) -> None:
    doubt.key.settings(doubt.agent_id, autoEscalation=auto)


@pytest.mark.anyio
@pytest.mark.parametrize("auto", [{"enabled": False}, {"confidenceThreshold": 20}], ids=["off", "lower"])
async def test_settings_that_ask_for_it_no_longer_withdraw_a_pending_escalation(
    workspace: Workspace, auto: dict[str, Any]
) -> None:
    doubt = Doubt.begin(workspace)
    cursor = doubt.state["cursor"]
    doubt.replies(confidence=30)
    change(doubt, **auto)
    assert doubt.waits is None
    assert doubt.outcomes == ["WITHDRAWN"]
    end_delays(doubt.server, [doubt.kept[0]["id"]])
    await_timers(doubt.server, [doubt.kept[0]["id"]])
    assert doubt.silent
    async with doubt.key.socket() as socket:
        changes = await socket.subscribe(CHANGES, id=doubt.id, after=cursor)
        kinds = [(await socket.next(changes))["conversationUpdated"]["kind"] for _ in range(2)]
    assert kinds == ["escalation_pending", "escalation_withdrawn"]


@pytest.mark.parametrize("auto", [{"confidenceThreshold": 31}, {"delaySeconds": 1}, {"enabled": True}])
def test_settings_that_still_ask_for_it_leave_a_pending_escalation(
    workspace: Workspace, auto: dict[str, Any]
) -> None:
    doubt = Doubt.begin(workspace)
    before = doubt.replies(confidence=30)["pendingEscalation"]["firesAt"]
    change(doubt, **auto)
    assert doubt.outcomes == ["WAITING"]
    assert doubt.waits is not None
    assert doubt.waits["firesAt"] == before


def test_threshold_withdraws_exactly_what_it_reaches(workspace: Workspace) -> None:
    low = Doubt.begin(workspace)
    high = Doubt(workspace, low.agent_id, workspace.key.start(low.agent_id))
    equal = Doubt(workspace, low.agent_id, workspace.key.start(low.agent_id))
    other = Doubt.begin(workspace)
    for doubt, confidence in ((low, 29.9), (equal, 30), (high, 45), (other, 45)):
        doubt.replies(confidence=confidence)
    change(low, confidenceThreshold=30)
    assert [doubt.outcomes for doubt in (low, equal, high, other)] == [
        ["WAITING"],
        ["WITHDRAWN"],
        ["WITHDRAWN"],
        ["WAITING"],
    ]


def test_escalation_that_is_due_fires_before_new_settings_withdraw_the_rest(workspace: Workspace) -> None:
    doubt = Doubt.begin(workspace)
    doubt.replies(confidence=30)
    # The delay is over and the timer late: its job is taken away.
    kept = doubt.kept[0]["id"]
    doubt.server.execute("DELETE FROM pgqueuer WHERE payload = $1", kept.bytes)
    doubt.server.execute("UPDATE pending_escalations SET fires_at = now() WHERE id = $1", kept)
    change(doubt, enabled=False)
    assert doubt.outcomes == ["FIRED"]
    assert doubt.escalation["trigger"] == "LOW_CONFIDENCE"


def test_low_confidence_after_a_withdrawal_waits_again(workspace: Workspace) -> None:
    doubt = Doubt.begin(workspace)
    doubt.replies(confidence=30)
    change(doubt, enabled=False)
    doubt.replies(confidence=30)
    change(doubt, enabled=True)
    doubt.replies(confidence=30)
    assert doubt.outcomes == ["WITHDRAWN", "WAITING"]


@pytest.mark.anyio
@pytest.mark.parametrize("reply_first", [True, False])
async def test_reply_and_new_settings_at_the_same_time_leave_nothing_to_fire(
    workspace: Workspace, reply_first: bool
) -> None:
    doubt = Doubt.begin(workspace)
    doubt.replies(confidence=30)
    key = Contender(workspace.server.url, workspace.api_key)
    scene = Scene(workspace, key, key, doubt.id, doubt.state["cursor"])
    given = {"agentId": doubt.agent_id, "autoEscalation": {"enabled": False}}
    acts = [
        lambda: key.record(doubt.id, "ASSISTANT", "It may be so.", confidence=20),
        lambda: key.ask(SETTINGS, i=given),
    ]
    async with scene.locked() as lock:
        calls = await lock.in_order(*(acts if reply_first else reversed(acts)))
    await asyncio.gather(*calls)
    kept = [row["id"] for row in doubt.kept]
    end_delays(doubt.server, kept)
    await_timers(doubt.server, kept)
    assert doubt.silent
    assert set(doubt.outcomes) == {"WITHDRAWN"}


@pytest.mark.anyio
async def test_two_changes_of_settings_at_the_same_time_withdraw_once(workspace: Workspace) -> None:
    doubt = Doubt.begin(workspace)
    doubt.replies(confidence=30)
    key = Contender(workspace.server.url, workspace.api_key)
    scene = Scene(workspace, key, key, doubt.id, doubt.state["cursor"])
    async with scene.locked() as lock:
        calls = [
            send(key.ask, SETTINGS, i={"agentId": doubt.agent_id, "autoEscalation": auto})
            for auto in ({"enabled": False}, {"confidenceThreshold": 10})
        ]
        await lock.queued(2)
    await outcomes(*calls)
    assert doubt.outcomes == ["WITHDRAWN"]
    assert doubt.logged == ["escalation_pending", "escalation_withdrawn"]


# ---- the button after low confidence


@pytest.mark.parametrize("enabled", [True, False])
def test_button_appears_after_low_confidence_even_if_it_does_not_escalate(
    workspace: Workspace, enabled: bool
) -> None:
    widget = {"buttonVisibility": "AFTER_THRESHOLD", "buttonAfterMessages": 100}
    doubt = Doubt.begin(workspace, autoEscalation={"enabled": enabled}, widget=widget)
    doubt.says("Where is my order?")
    doubt.replies(confidence=50)
    assert not doubt.state["button"]["visible"]
    doubt.replies(confidence=49.9)
    assert doubt.state["button"]["visible"]
    assert (doubt.waits is not None) == enabled
