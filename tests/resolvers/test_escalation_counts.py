"""The counts of a dashboard's tabs are those of the lists that the tabs show."""

from typing import Any

import pytest

from rules.typeid import ESCALATION, parse_id
from tests.support.baton_client import Caller, Workspace

COUNTS = """query($agent: ID) {
    escalationCounts(agentId: $agent) { open inProgress unassigned mine atRisk breached } }"""
NONE = {"open": 0, "inProgress": 0, "unassigned": 0, "mine": 0, "atRisk": 0, "breached": 0}
ACTIVE = {"status": ["OPEN", "IN_PROGRESS"]}
CLAIM = "mutation($id: ID!) { claimEscalation(escalationId: $id) { escalation { id } } }"


def counts(caller: Caller, agent: str | None = None) -> dict[str, Any]:
    result: dict[str, Any] = caller.ask(COUNTS, agent=agent)["escalationCounts"]
    return result


def listed(caller: Caller, agent: str | None = None) -> dict[str, int]:
    """Return the lengths of the lists."""
    query = "query($f: EscalationFilter) { escalations(filter: $f) { totalCount } }"

    def total(**wanted: Any) -> int:
        given = {**ACTIVE, **({"agentId": agent} if agent else {}), **wanted}
        return int(caller.ask(query, f=given)["escalations"]["totalCount"])

    member = caller.ask("{ viewer { member { id } } }")["viewer"]["member"]
    return {
        "open": total(status=["OPEN"]),
        "inProgress": total(status=["IN_PROGRESS"]),
        "unassigned": total(unassigned=True),
        "mine": total(assigneeId=member["id"]) if member else 0,
        "atRisk": total(slaStatus=["AT_RISK"]),
        "breached": total(slaStatus=["BREACHED"]),
    }


def raise_escalation(workspace: Workspace, agent: str | None = None) -> str:
    conversation = workspace.key.start(agent or workspace.agent_id)["conversation"]["id"]
    return str(workspace.key.escalate(conversation)["escalation"]["id"])


def age(workspace: Workspace, escalation: str, minutes: int) -> None:
    """Make the escalation older, as time does; the target is two hours."""
    workspace.server.execute(
        f"""UPDATE escalations SET sla_started_at = sla_started_at - interval '{minutes} minutes',
            sla_at_risk_at = sla_at_risk_at - interval '{minutes} minutes',
            sla_due_at = sla_due_at - interval '{minutes} minutes' WHERE id = $1""",
        parse_id(ESCALATION, escalation),
    )


@pytest.fixture
def bo(workspace: Workspace) -> Caller:
    return workspace.member("bo@example.com")


def test_counts_of_an_empty_workspace_are_zero(workspace: Workspace, bo: Caller) -> None:
    assert counts(workspace.key) == counts(bo) == NONE


def test_counts_equal_the_lengths_of_the_lists(workspace: Workspace, bo: Caller) -> None:
    key, cy = workspace.key, workspace.member("cy@example.com")
    agent = key.ask('mutation { createAgent(name: "Other") { id } }')["createAgent"]["id"]
    raised = [raise_escalation(workspace) for _ in range(7)] + [raise_escalation(workspace, agent)]
    bo.ask(CLAIM, id=raised[0])
    cy.ask(CLAIM, id=raised[1])
    age(workspace, raised[2], 100)
    age(workspace, raised[3], 130)
    age(workspace, raised[4], 130)
    bo.reply(raised[4])
    cy.reply(raised[5])
    bo.resolve(raised[6])
    age(workspace, raised[7], 100)
    assert counts(bo) == listed(bo)
    assert counts(bo) == {"open": 5, "inProgress": 2, "unassigned": 3, "mine": 2, "atRisk": 2, "breached": 2}
    assert counts(cy) == listed(cy) == counts(bo) | {"mine": 2}
    assert counts(key) == listed(key) == counts(bo) | {"mine": 0}
    assert counts(bo, agent) == listed(bo, agent) == NONE | {"open": 1, "unassigned": 1, "atRisk": 1}


def test_counts_are_of_the_own_workspace_only(workspace: Workspace, other: Workspace) -> None:
    raise_escalation(other)
    assert counts(workspace.key) == NONE
    assert workspace.key.refusal(COUNTS, agent=other.agent_id).code == "NOT_FOUND"
    assert workspace.key.refusal(COUNTS, agent="nonsense").field == "agentId"


def test_counts_follow_each_change(workspace: Workspace, bo: Caller) -> None:
    def seen() -> tuple[int, int, int, int]:
        now = counts(bo)
        return now["open"], now["inProgress"], now["unassigned"], now["mine"]

    escalation = raise_escalation(workspace)
    assert seen() == (1, 0, 1, 0)
    bo.ask(CLAIM, id=escalation)
    assert seen() == (1, 0, 0, 1)
    bo.reply(escalation)
    assert seen() == (0, 1, 0, 1)
    bo.resolve(escalation)
    assert seen() == (0, 0, 0, 0)
