"""The cost of an operation, as answers report it."""

from typing import Any

import pytest

from tests.support.baton_client import Caller, Workspace

LIMIT = 100_000
# A page and a count have a statement each, and a page reads its rows.
PAGE, COUNT, ROW = 700 + 350, 300 + 350, 35


def cost(caller: Caller, query: str, **variables: Any) -> int:
    reported = caller.post(query, variables)["extensions"]["cost"]
    assert reported["limit"] == LIMIT
    return int(reported["fields"])


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("{ __typename }", 1),
        ("{ viewer { kind } }", 2),
        ("{ a: viewer { kind } b: viewer { kind } }", 4),
        ("{ a: viewer { ...F } b: viewer { ...F } } fragment F on Viewer { kind scopes }", 6),
        ("{ escalations(first: 10) { nodes { id } } }", PAGE + 1 + 10 * (ROW + 1)),
        ("{ escalations { totalCount nodes { id status } } }", PAGE + COUNT + 1 + 50 * (ROW + 2)),
        ("{ agents { id } }", 1 + 200),
        ('mutation { createAgent(name: "Robot") { id name } }', 2_000 + 2),
    ],
)
def test_answer_reports_the_fields_that_it_may_have(workspace: Workspace, query: str, fields: int) -> None:
    assert cost(workspace.key, query) == fields


def test_pages_of_rows_count_their_statement_once(workspace: Workspace) -> None:
    query = "{ conversations(first: 10) { nodes { messages(first: 5) { nodes { id } } } } }"
    rows_of_page = 700 + 1 + 5 * (8 + 1)
    assert cost(workspace.key, query) == PAGE + 1 + 10 * (ROW + rows_of_page) + 350


def test_page_of_a_variable_counts_as_the_largest_page(workspace: Workspace) -> None:
    query = "query($n: Int) { escalations(first: $n) { nodes { id } } }"
    assert cost(workspace.key, query, n=5) == PAGE + 1 + 100 * (ROW + 1)


def test_page_of_a_variable_counts_its_value_in_a_document_that_would_be_refused(
    workspace: Workspace,
) -> None:
    query = """query($n: Int) { conversations(first: $n) { nodes {
        escalations(first: $n) { nodes { timeline(first: $n) { nodes { kind } } } } } } }"""
    assert cost(workspace.key, query, n=2) < LIMIT
    answer = workspace.key.post(query, {"n": 100})
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert answer["extensions"]["cost"]["fields"] > LIMIT


def test_refused_root_field_reports_its_cost_too(workspace: Workspace) -> None:
    answer = workspace.nobody.post("{ viewer { kind } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert answer["extensions"]["cost"]["fields"] == 2


def test_immense_cost_is_reported_as_an_exact_integer(workspace: Workspace) -> None:
    query = "id"
    for _ in range(40):
        query = f"escalations(first: 100) {{ nodes {{ conversation {{ {query} }} }} }}"
    answer = workspace.key.post(f"{{ conversations(first: 100) {{ nodes {{ {query} }} }} }}")
    assert answer["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert answer["extensions"]["cost"]["fields"] == 2**53
