"""The list of escalations by the outcome of their clocks, also the overdue ones that wait for a reply."""

from typing import Any

from tests.support.baton_client import Workspace
from tests.support.sla_clocks import Clock, age

LIST = """query($filter: EscalationFilter) { escalations(filter: $filter) {
    totalCount nodes { id sla { outcome } } } }"""
OUTCOMES = ("RUNNING", "MET", "MISSED", "CANCELLED")


def chosen(workspace: Workspace, **given: Any) -> set[str]:
    listed = workspace.key.ask(LIST, filter=given)["escalations"]
    assert listed["totalCount"] == len(listed["nodes"])
    if "slaOutcome" in given:
        assert {node["sla"]["outcome"] for node in listed["nodes"]} <= set(given["slaOutcome"])
    return {node["id"] for node in listed["nodes"]}


def test_outcomes_partition_the_escalations_and_find_the_overdue(workspace: Workspace) -> None:
    running, met, cancelled, overdue, late, given_up = (Clock.begin(workspace) for _ in range(6))
    workspace.key.reply(met.id)
    workspace.key.resolve(cancelled.id)
    age([overdue, late, given_up], hours=3)
    workspace.key.reply(late.id)
    workspace.key.resolve(given_up.id)

    by_outcome = {outcome: chosen(workspace, slaOutcome=[outcome]) for outcome in OUTCOMES}
    assert by_outcome == {
        "RUNNING": {running.id},
        "MET": {met.id},
        "MISSED": {overdue.id, late.id, given_up.id},
        "CANCELLED": {cancelled.id},
    }
    assert chosen(workspace, slaOutcome=["RUNNING", "MISSED"], answered=False, status=["OPEN"]) == {
        running.id,
        overdue.id,
    }
    assert chosen(workspace, slaOutcome=["MISSED"], answered=False, status=["OPEN", "IN_PROGRESS"]) == {
        overdue.id
    }
    assert chosen(workspace, answered=True) == {met.id, late.id}
    assert chosen(workspace, slaOutcome=[]) == set()
