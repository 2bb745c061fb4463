"""Lists of plain attributes: the same answers and the same errors as by graphql-core."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast

import pytest
import strawberry
from graphql import ExecutionResult, parse
from strawberry.execution.is_awaitable import optimized_is_awaitable

from schema.bounded_executor import BoundedExecutor
from tests.support.baton_client import Workspace

SERIES = """query($agent: ID!) { escalationAnalytics(agentId: $agent, from: "2026-01-01T00:00:00Z",
    to: "2034-01-01T00:00:00Z") { series(interval: MONTH) { %s start conversations escalations
    rate: escalationRate slaCompliance medianResolutionSeconds } } }"""


@strawberry.enum
class Colour(Enum):
    """Colours."""

    RED = "red"


@strawberry.type
class Item:
    """An object of plain attributes."""

    name: str
    number: int | None = 1
    share: float = 0.5
    colour: Colour = Colour.RED
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


def ask(items: Sequence[Any], fields: str, limit: int = 10_000) -> tuple[Any, list[list[Any] | None]]:
    """Return the data of `items` and the paths of the errors."""

    @strawberry.type
    class Query:
        @strawberry.field
        def items(self) -> list[Item | None]:
            return cast("list[Item | None]", items)

    executor = BoundedExecutor.build(
        strawberry.Schema(query=Query)._schema,
        parse(f"{{ items {{ {fields} }} }}"),
        is_awaitable=cast("Any", optimized_is_awaitable),
        reply_bytes=limit,
    )
    assert isinstance(executor, BoundedExecutor)
    result = executor.execute_operation()
    assert isinstance(result, ExecutionResult)
    return result.data, [error.path for error in result.errors or ()]


ALL = "name number share colour at"
FLAWS = {
    "an error in the place of a value": Item(name=cast("Any", ValueError("no name"))),
    "null in the place of a value": Item(name=cast("Any", None)),
    "a number that is too large": Item(name="a", number=2**31),
    "a number that is not finite": Item(name="a", share=float("inf")),
    "a value of another type": Item(name="a", number=cast("Any", "many")),
    "no object": None,
}


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
def test_list_with_a_flaw_is_as_by_graphql_core(flaw: Item | None) -> None:
    items = [Item(name="first"), flaw, Item(name="last", number=None)]
    data, paths = ask(items, ALL)
    # A selected type name leads through graphql-core.
    general, of_general = ask(items, f"{ALL} __typename")
    assert paths == of_general
    assert data["items"] == [
        item and {name: value for name, value in item.items() if name != "__typename"}
        for item in general["items"]
    ]


def test_list_of_many_objects_is_as_by_graphql_core() -> None:
    items = [Item(name=f"item {place}", number=place if place % 3 else None) for place in range(20)]
    data, paths = ask(items, f"{ALL} also: name")
    assert paths == []
    assert data["items"][0] == {
        "name": "item 0",
        "number": None,
        "share": 0.5,
        "colour": "RED",
        "at": "2026-01-01T00:00:00+00:00",
        "also": "item 0",
    }
    assert [item["number"] for item in data["items"]] == [item.number for item in items]


def test_list_over_the_limit_is_cut_short() -> None:
    items = [Item(name="x" * 100) for _ in range(100)]
    assert len(ask(items, "name", 12_000)[0]["items"]) == 100
    assert len(ask(items, "name", 5_000)[0]["items"]) < 100


def test_series_is_the_same_with_and_without_type_names(workspace: Workspace) -> None:
    workspace.key.escalate(workspace.start()["conversation"]["id"])
    plain, general = (
        workspace.key.ask(SERIES % name, agent=workspace.agent_id)["escalationAnalytics"]["series"]
        for name in ("", "__typename")
    )
    assert [{"__typename": "AnalyticsPoint", **point} for point in plain] == general
    assert sum(point["escalations"] for point in plain) == 1
