"""Permissions: every root field of the API with every kind of credential."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError

from resolvers.permissions import PERMISSIONS, READS
from tests.support.baton_client import Refused, Socket, Workspace
from tests.support.callers import ABROAD, BY_NAME, EVERYBODY, Rows, Who, World
from tests.support.open_subscriptions import all_begun
from tests.support.permission_case import Case
from tests.support.permission_cases import CASES, cases_of
from tests.support.permission_targets import MUTATION, QUERY, ROOTS, SUBSCRIPTION


def by_name(case: Case) -> str:
    return case.name


answered = pytest.mark.parametrize("case", cases_of(QUERY, MUTATION), ids=by_name)


def test_every_root_field_has_a_case_and_a_permission() -> None:
    assert {case.field for case in CASES} == set(ROOTS)
    assert {name for name in PERMISSIONS if name.isidentifier()} == set(ROOTS)


def test_every_mutation_and_no_query_is_counted() -> None:
    mutations = {name for name, (kind, _) in ROOTS.items() if kind == MUTATION}
    assert {name for name in PERMISSIONS if name.isidentifier() and name not in READS} == mutations
    in_rest = {name for name in PERMISSIONS if "/" in name and name not in READS}
    assert in_rest == {name for name in PERMISSIONS if name.startswith(("POST ", "PATCH "))}


def test_permissions_of_customers_are_the_listed_ones() -> None:
    # A customer may read its conversation, post, press the button, submit forms, type and subscribe. It may
    # also prove its identity, and say how far it has read.
    assert {name for name, permission in PERMISSIONS.items() if permission and permission.customers} == {
        "viewer",
        "node",
        "conversation",
        "escalation",
        "recordMessage",
        "requestHuman",
        "submitForm",
        "setTyping",
        "refreshWidgetToken",
        "renewWidgetToken",
        "identifyCustomer",
        "markRead",
        "messageAdded",
        "conversationUpdated",
    }


def test_viewer_changes_only_its_own_rows() -> None:
    may = {case.field for case in cases_of(MUTATION) if case.grants(BY_NAME["member VIEWER"])}
    assert may == {
        "signIn",
        "acceptInvitation",
        "openConversation",
        "signOut",
        "endSession",
        "endOtherSessions",
        "enrolSecondFactor",
        "confirmSecondFactor",
        "removeSecondFactor",
        "changePassword",
        "setViewing",
    }


@answered
def test_forbidden_call_is_refused_and_changes_nothing(world: World, case: Case) -> None:
    places = [world.rows, world.foreign] if case.target else [world.rows]
    aimed = [world.fresh(rows) if case.once else rows for rows in places]
    givens = [case.given(rows) for rows in aimed]
    assert all(rows.conversation for rows in aimed), "customers have theirs before anything is watched"
    before = world.fingerprint()
    wrong = [
        (who.name, "at home" if home else "abroad", code, result)
        for rows, given in zip(aimed, givens, strict=True)
        for home in [world.at_home(rows)]
        for who in (EVERYBODY if home else ABROAD)
        if (code := case.expected(who, home))
        and (result := ask(world, case, who, rows, given)) not in refusals(case, who, code)
    ]
    assert wrong == []
    assert world.fingerprint() == before


def ask(world: World, case: Case, who: Who, rows: Rows, given: dict[str, Any]) -> tuple[str, ...]:
    """Return the error codes; () for an answer without data and without error."""
    response = world.caller(who, rows).send(case.document(given), given, **case.headers)
    answer = response.json()
    if (answer.get("data") or {}).get(case.field) is not None or "set-cookie" in response.headers:
        return ("ANSWERED", str(answer))
    return tuple(error["extensions"]["code"] for error in answer.get("errors", ()))


def refusals(case: Case, who: Who, code: str) -> list[tuple[str, ...]]:
    """Return the correct answers. For a missing row it is null, if the field is nullable and permitted."""
    if code == "NOT_FOUND" and case.nullable:
        return [()] if case.grants(who) else [(), (code,)]
    return [(code,)]


@answered
def test_permitted_call_is_granted(world: World, case: Case) -> None:
    for who in granted(case):
        rows = world.fresh(world.rows) if case.once else world.rows
        given = case.given(rows)
        answer = world.caller(who, rows).send(case.document(given), given, **case.headers).json()
        if case.error:
            assert [error["extensions"]["code"] for error in answer["errors"]] == [case.error], who.name
            continue
        assert "errors" not in answer, (who.name, answer)
        assert answer["data"][case.field] is not None, who.name
        assert not [item for item in world.foreign.ids if item in str(answer)], who.name
        if case.field == "signOut":
            assert who.role is not None
            world.sign_in(who.role)


def granted(case: Case) -> list[Who]:
    """Everybody who has the right; one of each kind for what takes none."""
    result = [who for who in EVERYBODY if case.expected(who, at_home=True) is None]
    assert result, "nobody at all may use it"
    if PERMISSIONS[case.field] is None:
        result = list({(who.kind, who.own, who.expired): who for who in result}.values())
    return result


# ---- over the live socket


@pytest.mark.anyio
@pytest.mark.parametrize(
    "who", [who for who in EVERYBODY if not (who.revoked or who.expired)], ids=lambda w: w.name
)
async def test_subscription_answers_by_the_permission_of_its_caller(world: World, who: Who) -> None:
    async with world.caller(who, world.rows).socket() as socket:
        wrong = [
            (case.name, "at home" if home else "abroad", right, result)
            for case in cases_of(SUBSCRIPTION)
            for home in ([True, False] if case.target else [True])
            for given in [case.given(world.rows if home else world.foreign)]
            for right in [case.expected(who, home) or "an event"]
            if (result := await first_answer(socket, case, given, world)) != right
        ]
        assert wrong == []
        assert "data" in await once(socket, "{ __typename }")


async def first_answer(socket: Socket, case: Case, given: dict[str, Any], world: World) -> str:
    """Return the first answer of a subscription: an event since its cursor, or a refusal."""
    id_ = await socket.subscribe(case.document(given), **given)
    try:
        event = await socket.next(id_)
    except Refused as refused:
        return refused.code
    await socket.send(id=id_, type="complete")
    assert not [item for item in world.foreign.ids if item in str(event)]
    return "an event" if event[case.field] else str(event)


async def once(socket: Socket, query: str) -> dict[str, Any]:
    """Return the payload of a query that is sent last, and assert that no other result precedes it."""
    id_ = await socket.subscribe(query)
    while (message := await socket.receive())["id"] != id_:
        assert message["type"] == "next", message
    payload: dict[str, Any] = message["payload"]
    return payload


@pytest.mark.anyio
@pytest.mark.parametrize(
    "who", [who for who in EVERYBODY if who.revoked or who.expired], ids=lambda w: w.name
)
async def test_ended_credential_is_refused(world: World, who: Who) -> None:
    with pytest.raises(ConnectionClosedError) as closed:
        async with world.caller(who, world.rows).socket():
            pytest.fail("was let in")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403


@pytest.mark.anyio
async def test_cursor_of_another_workspace_asks_for_a_resync(world: World) -> None:
    async with world.rows.key.socket() as socket:
        for case in cases_of(SUBSCRIPTION):
            given = case.given(world.rows) | {"after": case.given(world.foreign)["after"]}
            assert await first_answer(socket, case, given, world) == "RESYNC_REQUIRED", case.name


@pytest.mark.anyio
async def test_refused_typing_reaches_nobody(world: World) -> None:
    (case,) = (case for case in CASES if case.field == "setTyping")
    given, key = case.given(world.rows), world.rows.key
    async with world.caller(BY_NAME["customer"], world.rows).socket() as customer:
        async with all_begun(world.rows.workspace.server, 1):
            id_ = await customer.subscribe(
                "subscription($id: ID!) { conversationUpdated(conversationId: $id) { kind typing } }",
                id=world.rows.conversation,
            )
        for who in EVERYBODY:
            if case.expected(who, at_home=True):
                assert ask(world, case, who, world.rows, given) != (), who.name
        key.ask(case.document(given), **given | {"typing": False})
        heard = (await customer.next(id_))["conversationUpdated"]
        assert heard == {"kind": "typing_stopped", "typing": "ASSISTANT"}


# ---- rows that are named next to the target


def test_member_of_another_workspace_cannot_be_named(world: World) -> None:
    stranger = world.foreign.email
    uses = {
        "escalateConversation": {
            "conversationId": world.rows.conversation,
            "reason": "x",
            "assignTo": stranger,
        },
        "updateEscalation": {"escalationId": world.rows.escalation, "assignTo": stranger},
        "replyToEscalation": {"escalationId": world.rows.escalation, "content": "x", "authorEmail": stranger},
    }
    before = world.fingerprint()
    for field, given in uses.items():
        (case,) = (case for case in CASES if case.field == field)
        refused = world.rows.key.refusal(case.document({"input": given}), input=given)
        assert (refused.code, str(refused.field).split(".")[0]) == ("BAD_USER_INPUT", "input")
    assert world.fingerprint() == before


def test_filter_by_rows_of_another_workspace_finds_nothing(world: World) -> None:
    foreign = world.foreign
    for given in (f'agentId: "{foreign.agent}"', f'assigneeId: "{foreign.member}"', 'search: "Kim"'):
        answer = world.rows.key.ask(
            f"{{ escalations(filter: {{ {given} }}) {{ totalCount nodes {{ id }} }} }}"
        )
        assert not [item for item in foreign.ids if item in str(answer)], given
    answer = world.rows.key.ask(
        f'{{ deliveries(escalationId: "{foreign.escalation}") {{ nodes {{ id }} }} }}'
    )
    assert answer == {"deliveries": {"nodes": []}}
    for given in (f'agentId: "{foreign.agent}"', 'customerEmail: "kim@example.com"'):
        answer = world.rows.key.ask(f"{{ conversations(filter: {{ {given} }}) {{ nodes {{ id }} }} }}")
        assert not [item for item in foreign.ids if item in str(answer)], given


def test_refusal_says_which_caller_and_scope_are_needed(workspace: Workspace) -> None:
    escalation = workspace.key.escalate(workspace.start()["conversation"]["id"])["escalation"]["id"]
    claim = "mutation($id: ID!) { claimEscalation(escalationId: $id) { escalation { id } } }"
    with pytest.raises(Refused, match=r"a signed-in team member with the scope ESCALATIONS_WRITE\."):
        workspace.key.ask(claim, id=escalation)
    change = 'mutation { changePassword(current: "a", new: "b") }'
    with pytest.raises(Refused, match=r"changePassword requires a signed-in team member\."):
        workspace.key.ask(change)
