"""Members who cannot answer hold no escalation."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rules.typeid import MEMBER, parse_id
from tests.support.baton_client import Caller, Refused, Server, Workspace
from tests.support.callers import new_email
from tests.support.conversation_driver import Talk
from tests.support.locks import Contender, Scene, hold
from tests.support.member_cases import REMOVE, UPDATE, me

CLAIM = "mutation($id: ID!) { claimEscalation(escalationId: $id) { escalation { assignee { email } } } }"
REOPEN = """mutation($id: ID!) { reopenEscalation(escalationId: $id) {
    escalation { status assignee { email } } } }"""
ASSIGN = """mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) {
    escalation { status version assignee { email } } } }"""
UNASSIGNED = "{ escalations(filter: {unassigned: true}, first: 100) { nodes { id } } }"


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture
def ada(workspace: Workspace) -> Caller:
    return workspace.member(new_email())


def remove(workspace: Workspace, member_id: str) -> None:
    workspace.key.ask(REMOVE, id=member_id)


def demote(workspace: Workspace, member_id: str) -> None:
    workspace.key.ask(UPDATE, id=member_id, role="VIEWER")


WAYS = {"removed": remove, "demoted": demote}


@pytest.fixture(params=list(WAYS))
def disable(request: pytest.FixtureRequest) -> Callable[[Workspace, str], None]:
    """A way in which a member can no longer answer."""
    return WAYS[request.param]


def claimed(talk: Talk, member: Caller) -> str:
    """Return the id of an escalation that the member has claimed."""
    escalation = str(talk.key.escalate(talk.id)["escalation"]["id"])
    member.ask(CLAIM, id=escalation)
    return escalation


def test_member_who_cannot_answer_holds_no_active_escalation(
    workspace: Workspace, ada: Caller, disable: Callable[[Workspace, str], None]
) -> None:
    active, resolved, talk = Talk.begin(workspace), Talk.begin(workspace), Talk.begin(workspace)
    mine, past = claimed(active, ada), claimed(resolved, ada)
    talk.key.resolve(past)
    others = claimed(talk, workspace.sign_in())
    version, email = workspace.key.escalation(mine)["version"], me(ada)["email"]
    disable(workspace, me(ada)["id"])

    released = workspace.key.escalation(mine)
    assert released["assignee"] is None
    assert released["version"] == version + 1
    assert released["timeline"]["nodes"][-1]["kind"] == "unassigned"
    assert active.published[-1] == "escalation.unassigned"
    assert mine in {node["id"] for node in workspace.key.ask(UNASSIGNED)["escalations"]["nodes"]}
    assert workspace.key.escalation(past)["assignee"]["email"] == email
    assert workspace.key.escalation(others)["assignee"]["email"] == workspace.email
    bob = workspace.member(new_email())
    assert bob.ask(CLAIM, id=mine)["claimEscalation"]["escalation"]["assignee"]["email"] == me(bob)["email"]


def test_reopened_escalation_is_not_assigned_to_a_member_who_cannot_answer(
    workspace: Workspace, ada: Caller, disable: Callable[[Workspace, str], None]
) -> None:
    by_mutation, by_status = Talk.begin(workspace), Talk.begin(workspace)
    escalations = [claimed(talk, ada) for talk in (by_mutation, by_status)]
    for escalation in escalations:
        workspace.key.resolve(escalation)
    disable(workspace, me(ada)["id"])
    reopened = workspace.key.ask(REOPEN, id=escalations[0])["reopenEscalation"]["escalation"]
    assert reopened == {"status": "OPEN", "assignee": None}
    given = {"escalationId": escalations[1], "status": "OPEN"}
    assert workspace.key.ask(ASSIGN, i=given)["updateEscalation"]["escalation"]["assignee"] is None
    assert [entry["kind"] for entry in by_mutation.escalation["timeline"]["nodes"]][-3:] == [
        "reopened",
        "unassigned",
        "ai_paused",
    ]


def test_reopened_escalation_stays_with_a_member_who_can_answer(workspace: Workspace, ada: Caller) -> None:
    talk = Talk.begin(workspace)
    escalation = claimed(talk, ada)
    workspace.key.resolve(escalation)
    reopened = workspace.key.ask(REOPEN, id=escalation)["reopenEscalation"]["escalation"]
    assert reopened["assignee"] == {"email": me(ada)["email"]}
    assert "unassigned" not in [entry["kind"] for entry in talk.escalation["timeline"]["nodes"]]


def test_viewer_cannot_be_assigned(workspace: Workspace) -> None:
    talk, email = Talk.begin(workspace), new_email()
    workspace.member(email, "VIEWER")
    start = """mutation($i: EscalateConversationInput!) {
        escalateConversation(input: $i) { escalation { id } } }"""
    given: dict[str, Any] = {"conversationId": talk.id, "reason": "a VIP", "assignTo": email}
    refused = workspace.key.refusal(start, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.assignTo")
    assert talk.silent
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    refused = workspace.key.refusal(ASSIGN, i={"escalationId": escalation, "assignTo": email})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.assignTo")
    assert talk.escalation["assignee"] is None


def test_reply_in_the_name_of_a_viewer_assigns_no_member(workspace: Workspace) -> None:
    talk, email = Talk.begin(workspace), new_email()
    workspace.member(email, "VIEWER")
    escalation = talk.key.escalate(talk.id)["escalation"]["id"]
    replied = talk.key.reply(escalation, authorEmail=email)
    assert replied["message"]["author"] == {"email": email}
    assert replied["escalation"]["assignee"] is None


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["claim", "assign", "reply", "escalate"])
async def test_assignment_and_removal_at_the_same_time_leave_no_removed_assignee(
    workspace: Workspace, ada: Caller, way: str
) -> None:
    scene, email, member_id = Scene.of(workspace), me(ada)["email"], me(ada)["id"]
    member = Contender(workspace.server.url, ada.token)
    escalation = scene.escalate() if way != "escalate" else ""
    acts: dict[str, Callable[[], Any]] = {
        "claim": lambda: member.ask(CLAIM, id=escalation),
        "assign": lambda: scene.key.ask(ASSIGN, i={"escalationId": escalation, "assignTo": email}),
        "reply": lambda: member.reply(escalation),
        "escalate": lambda: member.escalate(scene.conversation, "mine"),
    }
    # The removal waits for the member's row, then the assignment for the conversation.
    async with scene.locked() as lock:
        calls = await lock.in_order(acts[way])
        removal = asyncio.get_running_loop().run_in_executor(None, lambda: remove(workspace, member_id))
        await lock.queued(2)
    await asyncio.gather(*calls, removal)
    (node,) = workspace.key.conversation(scene.conversation)["escalations"]["nodes"]
    stored = workspace.key.escalation(node["id"])
    assert stored["assignee"] is None
    assert [entry["kind"] for entry in stored["timeline"]["nodes"]].count("unassigned") == 1


@pytest.mark.anyio
async def test_assignment_after_a_removal_is_refused(workspace: Workspace, ada: Caller) -> None:
    scene, email, member_id = Scene.of(workspace), me(ada)["email"], me(ada)["id"]
    escalation = scene.escalate()
    key = Contender(workspace.server.url, workspace.api_key)
    async with hold(workspace.server, "members", parse_id(MEMBER, member_id)) as lock:
        calls = await lock.in_order(
            lambda: key.ask(REMOVE, id=member_id),
            lambda: key.refusal(ASSIGN, i={"escalationId": escalation, "assignTo": email}),
        )
    _, refused = await asyncio.gather(*calls)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.assignTo")
    assert workspace.key.escalation(escalation)["assignee"] is None


# ---- the escalation of a change of control


def test_change_of_control_names_its_escalation(workspace: Workspace) -> None:
    talk = Talk.begin(workspace)
    pause = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
    for query in (pause, pause.replace("pauseAi", "resumeAi")):
        talk.key.ask(query, id=talk.id)
    escalation = talk.presses()["escalation"]["id"]
    talk.key.resolve(escalation)
    changes = workspace.server.rows(
        """SELECT type, data ->> 'escalation' AS escalation FROM log
        WHERE stream = $1 AND type LIKE 'conversation.ai_%' ORDER BY position""",
        parse_id("conv", talk.id),
    )
    named = [(row["type"].removeprefix("conversation."), row["escalation"] is not None) for row in changes]
    assert named == [
        ("ai_paused", False),
        ("ai_resumed", False),
        ("ai_paused", True),
        ("ai_resumed", True),
    ]
