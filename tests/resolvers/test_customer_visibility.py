"""The fields that a customer sees, without drafts."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLObjectType, get_named_type, is_leaf_type

from schema.api import GRAPHQL_SCHEMA
from tests.support.baton_client import Caller, Refused, Server, Workspace
from tests.support.callers import Visitor
from tests.support.customer_cases import ACTS, EVENTS, PATHS, SEEN, Drafted, ObservedConversation


@pytest.fixture(scope="module")
def door(server: Server) -> Iterator[Visitor]:
    """A connection that all tests here go through."""
    with httpx.Client(timeout=30) as client:
        yield Visitor(server.url, client=client)


@pytest.fixture(scope="module")
def disclosed(server: Server, door: Visitor) -> ObservedConversation:
    """A conversation that tests only read."""
    return ObservedConversation(server.new_workspace(), door)


def fields_of(type_: str) -> dict[str, GraphQLField]:
    object_type = GRAPHQL_SCHEMA.type_map[type_]
    assert isinstance(object_type, GraphQLObjectType)
    return dict(object_type.fields)


def hidden_of(type_: str) -> Iterator[str]:
    return (name for name in fields_of(type_) if name not in SEEN[type_])


def asked(type_: str, name: str) -> str:
    """Return the selection of one field, with the alias that `values` looks for."""
    result = get_named_type(fields_of(type_)[name].type)
    return f"asked: {name}" + ("" if is_leaf_type(result) else " { __typename }")


def values(answer: Any) -> list[Any]:
    """Return the values of the selected field, at any depth."""
    if isinstance(answer, list):
        return [value for item in answer for value in values(item)]
    if isinstance(answer, dict):
        here = [answer["asked"]] if "asked" in answer else []
        return here + [value for name, part in answer.items() if name != "asked" for value in values(part)]
    return []


def check(type_: str, name: str, shown: list[Any], codes: list[str]) -> None:
    """Assert that a hidden field is null, an empty list, or, if it can be neither, FORBIDDEN."""
    declared = fields_of(type_)[name].type
    if not isinstance(declared, GraphQLNonNull):
        assert (set(map(str, shown)), codes) == ({"None"}, []), name
    elif isinstance(declared.of_type, GraphQLList):
        assert codes == [], name
        assert shown, name
        assert all(value == [] for value in shown), name
    else:
        assert shown == [], name
        assert codes, name
        assert set(codes) == {"FORBIDDEN"}, name


def ask_each(
    caller: Caller, disclosed: ObservedConversation, type_: str, path: str
) -> dict[str, tuple[list[Any], list[str]]]:
    """Every field of a type by one path: its values, and the codes of its errors."""
    given = {name: value for name, value in disclosed.variables.items() if f"${name}" in path}
    uses = " ".join(f"{name}: {path.replace('%', asked(type_, name))}" for name in fields_of(type_))
    heads = ", ".join(f"${name}: ID!" for name in given)
    answer = caller.post(f"query{f'({heads})' if heads else ''} {{ {uses} }}", given)
    data = answer["data"] or {}
    codes: dict[str, list[str]] = {name: [] for name in fields_of(type_)}
    for error in answer.get("errors", ()):
        codes[error["path"][0]].append(error["extensions"]["code"])
    return {name: (values(data.get(name)), codes[name]) for name in codes}


@pytest.mark.parametrize("type_", SEEN)
def test_customer_sees_customer_fields_only(disclosed: ObservedConversation, type_: str) -> None:
    assert SEEN[type_] <= set(fields_of(type_)), "the contract's fields are there"
    known_to_the_team, known_to_customers = set(), set()
    for path in PATHS[type_]:
        for name, (result, codes) in ask_each(disclosed.customer, disclosed, type_, path).items():
            if name in SEEN[type_]:
                assert codes == [], (path, name)
                known_to_customers |= {name for value in result if value is not None}
            else:
                check(type_, name, result, codes)
        for name, (result, codes) in ask_each(disclosed.member, disclosed, type_, path).items():
            assert codes == [], (path, name)
            known_to_the_team |= {name for value in result if value not in (None, [])}
    assert known_to_customers >= SEEN[type_]
    # Else there would be nothing to hide, and nothing proved.
    assert known_to_the_team >= set(hidden_of(type_))


@pytest.mark.parametrize("act", ACTS)
def test_payload_of_a_customer_call_shows_customer_fields_only(
    server: Server, door: Visitor, act: str
) -> None:
    type_, document = ACTS[act]
    disclosed = ObservedConversation(server.new_workspace(), door)
    for name in hidden_of(type_):
        use = document.replace("%", asked(type_, name))
        answer = disclosed.customer.post(f"mutation($id: ID!) {{ {use} }}", {"id": disclosed.conversation})
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        check(type_, name, values(answer["data"]), codes)


@pytest.mark.anyio
@pytest.mark.parametrize("event", EVENTS)
async def test_event_shows_a_customer_customer_fields_only(
    disclosed: ObservedConversation, event: str
) -> None:
    type_, document = EVENTS[event]
    async with disclosed.customer.socket() as socket:
        for name in hidden_of(type_):
            use = document.replace("%", asked(type_, name))
            id_ = await socket.subscribe(
                f"subscription($id: ID!, $after: String) {{ {use} }}",
                id=disclosed.conversation,
                after=disclosed.cursor,
            )
            try:
                result, codes = values(await socket.next(id_)), []
            except Refused as refused:
                result, codes = [], [error["extensions"]["code"] for error in refused.errors]
            await socket.send(id=id_, type="complete")
            check(type_, name, result, codes)


@pytest.mark.anyio
async def test_same_subscription_shows_each_caller_its_own_fields(workspace: Workspace) -> None:
    started, key = workspace.start(), workspace.key
    here = {"id": started["conversation"]["id"], "after": started["conversation"]["cursor"]}
    document = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
        message { content confidence intents } } }"""
    async with workspace.widget(started).socket() as customer, key.socket() as team:
        heard = [(item, await item.subscribe(document, **here)) for item in (customer, team)]
        key.record(here["id"], "ASSISTANT", "It is blue.", confidence=77, intents=["colour"])
        key.escalate(here["id"])
        key.record(here["id"], "ASSISTANT", "It may be red.", confidence=20)
        key.record(here["id"], "USER", "Which now?")
        seen = [
            [(await entry.next(id_))["messageAdded"]["message"] for _ in range(count)]
            for (entry, id_), count in zip(heard, (3, 4), strict=True)
        ]
    assert [(item["content"], item["confidence"], item["intents"]) for item in seen[0]] == [
        ("It is blue.", None, []),
        (seen[1][1]["content"], None, []),
        ("Which now?", None, []),
    ]
    assert [(item["content"], item["confidence"], item["intents"]) for item in seen[1]] == [
        ("It is blue.", 77, ["colour"]),
        (seen[0][1]["content"], None, []),
        ("It may be red.", 20, []),
        ("Which now?", None, []),
    ]


# ---- drafts


@pytest.fixture(scope="module")
def drafted(server: Server, door: Visitor) -> Drafted:
    return Drafted(server.new_workspace(), door)


def ids(page: dict[str, Any]) -> list[str]:
    result = [node["id"] for node in page["messages"]["nodes"]]
    assert [edge["node"]["id"] for edge in page["messages"]["edges"]] == result
    return result


def test_page_for_a_customer_holds_no_draft(drafted: Drafted) -> None:
    delivered = drafted.delivered
    assert len(delivered) == 4, "the question, the confirmation, the member's reply, the thanks"
    whole = drafted.page(first=100)
    assert ids(whole) == ids(drafted.page(last=100)) == delivered
    assert whole["messages"]["totalCount"] == len(delivered)
    assert whole["lastMessageAt"] == whole["messages"]["nodes"][-1]["createdAt"]
    for count in range(1, 4):
        assert ids(drafted.page(last=count)) == delivered[-count:]
        assert ids(drafted.page(first=count)) == delivered[:count]


def test_paging_of_a_customer_skips_drafts(drafted: Drafted) -> None:
    delivered = drafted.delivered
    for size, place, more in (("first", "after", "hasNextPage"), ("last", "before", "hasPreviousPage")):
        seen, page = [], drafted.page(**{size: 1})
        while True:
            seen += ids(page)
            if not page["messages"]["pageInfo"][more]:
                break
            page = drafted.page(**{size: 1, place: page["messages"]["edges"][0]["cursor"]})
        assert seen == (delivered if size == "first" else delivered[::-1])


def test_draft_is_no_node(drafted: Drafted) -> None:
    query = "query($id: ID!) { node(id: $id) { id } }"
    for draft in drafted.drafts:
        assert drafted.customer.ask(query, id=draft) == {"node": None}
        assert drafted.team.ask(query, id=draft) == {"node": {"id": draft}}


@pytest.mark.anyio
async def test_draft_and_its_outcome_are_not_replayed_to_a_customer(
    workspace: Workspace, door: Visitor
) -> None:
    drafted = Drafted(workspace, door)
    added = """subscription($id: ID!, $after: String) {
        messageAdded(conversationId: $id, after: $after) { message { id } } }"""
    changed = """subscription($id: ID!, $after: String) {
        conversationUpdated(conversationId: $id, after: $after) { kind } }"""
    async with drafted.customer.socket() as customer:
        given = {"id": drafted.id, "after": drafted.cursor}
        messages, changes = (
            await customer.subscribe(added, **given),
            await customer.subscribe(changed, **given),
        )
        drafted.team.ask(
            "mutation($id: ID!) { resumeAi(conversationId: $id) { conversation { id } } }", id=drafted.id
        )
        drafted.customer.record(drafted.id, "USER", "Bye")
        seen = [(await customer.next(messages))["messageAdded"]["message"]["id"] for _ in range(6)]
        assert seen == drafted.delivered
        kinds = [(await customer.next(changes))["conversationUpdated"]["kind"] for _ in range(4)]
        assert kinds == ["escalated", "ai_paused", "assigned", "ai_resumed"]
