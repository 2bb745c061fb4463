"""The schema and the names in it, which are for keys and members only."""

from typing import Any

import pytest
from graphql import get_introspection_query, graphql_sync

from schema.api import GRAPHQL_SCHEMA
from tests.support.baton_client import Caller, Workspace

MISSPELT = "{ viewer { kin } }"
SUGGESTION = "Did you mean"


@pytest.fixture
def outsiders(workspace: Workspace) -> list[Caller]:
    """Return a caller without a credential and a customer."""
    return [workspace.nobody, workspace.widget(workspace.start())]


def test_introspection_of_a_key_and_a_member_equals_graphql_cores_own(workspace: Workspace) -> None:
    expected = graphql_sync(GRAPHQL_SCHEMA, get_introspection_query()).data
    for caller in (workspace.key, workspace.sign_in()):
        assert caller.ask(get_introspection_query()) == expected


def test_other_introspection_of_a_key_is_executed(workspace: Workspace) -> None:
    query = get_introspection_query(descriptions=False)
    assert workspace.key.ask(query) == graphql_sync(GRAPHQL_SCHEMA, query).data
    assert workspace.key.ask('{ __type(name: "Query") { name } }') == {"__type": {"name": "Query"}}


@pytest.mark.parametrize("query", [get_introspection_query(), '{ __type(name: "Query") { name } }'])
def test_introspection_of_outsiders_is_refused(outsiders: list[Caller], query: str) -> None:
    nobody, customer = outsiders
    assert nobody.refusal(query).code == "UNAUTHENTICATED"
    assert customer.refusal(query).code == "FORBIDDEN"


def test_wrong_name_is_corrected_for_the_team_only(workspace: Workspace, outsiders: list[Caller]) -> None:
    assert SUGGESTION in message(workspace.key, MISSPELT)
    assert [SUGGESTION in message(caller, MISSPELT) for caller in outsiders] == [False, False]


def test_wrong_enum_value_in_a_variable_is_corrected_for_the_team_only(
    workspace: Workspace, outsiders: list[Caller]
) -> None:
    query = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { __typename } }"
    given = {"i": {"conversationId": "x", "role": "USR", "content": "x"}}
    assert SUGGESTION in message(workspace.key, query, given)
    assert [SUGGESTION in message(caller, query, given) for caller in outsiders] == [False, False]


def message(caller: Caller, query: str, variables: dict[str, Any] | None = None) -> str:
    return str(caller.post(query, variables)["errors"][0]["message"])


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { " + " ".join(f"wrong{number}" for number in range(100)) + " } }",
        "{ " + " ".join(f'a{number}: agent(id: "wrong") {{ id }}' for number in range(25)) + " }",
    ],
    ids=["of the document", "of its execution"],
)
def test_answer_has_at_most_ten_errors(workspace: Workspace, query: str) -> None:
    assert len(workspace.key.post(query)["errors"]) == 10


def test_long_name_in_a_message_is_cut(workspace: Workspace) -> None:
    for caller in (workspace.nobody, workspace.key):
        (error,) = caller.post("{ viewer { %s } }" % ("n" * 10_000))["errors"]
        assert len(error["message"]) <= 501
