"""The executor's plans over a small schema: every result as by graphql-core, and nothing resolved twice."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

import pytest

from schema.executor.plan import Plan, compile_plan
from schema.executor.request import NotPlannedError
from schema.executor.run import run
from tests.support.small_schema import Colour, Item, Plain, ask, count, executor_of, items, schema_of

pytestmark = pytest.mark.anyio

ALL = "__typename name number share colour colours at data rows strict"
NESTED = f"""{{ items {{ {ALL} part {{ name part {{ name }} }} parts {{ ...P later {{ name }} }} sometimes
    later {{ name parts {{ name }} }} }} }} fragment P on Item {{ name more: times(count: 2, sep: "+") }}"""


async def test_items_with_fields_of_every_kind_are_complete_by_the_plan() -> None:
    def make() -> list[Item | None]:
        first, second, third = items(1, 2, None)
        second.part, second.parts = Item(name="part", part=Item(name="inner")), items(4, 5)
        second.data, third.strict, third.rows = cast("Any", {"a": [1, None]}), [[1], []], None
        return [first, None, second, third]

    answer = await ask(make, NESTED)
    assert answer.by == "plan"
    first, none, second, third = answer.data["items"]
    assert none is None
    assert [item["sometimes"] for item in (first, second, third)] == ["item 0", None, "now"]
    assert first["later"] == {"name": "item 0 of Ada", "parts": []}
    assert [part["more"] for part in second["parts"]] == ["item 0+item 0", "item 1+item 1"]
    assert second["part"] == {"name": "part", "part": {"name": "inner"}}
    assert (first["colours"], first["rows"], third["rows"]) == (["RED", None], [[1, None], []], None)


SWITCHES = """query($a: Boolean!, $b: Boolean = true) { items { name @include(if: $a) ...F @skip(if: $b)
    ... on Item @include(if: $b) { number also: number } ... @skip(if: true) { share } } }
    fragment F on Item { colour }"""


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [{"b": True}, {"b": False}, {}])
async def test_switches_select_the_same_fields(a: bool, b: dict[str, bool]) -> None:
    answer = await ask(lambda: items(1, None), SWITCHES, a=a, **b)
    assert answer.by == "plan"
    assert ("name" in answer.data["items"][0]) == a


async def test_object_without_selected_fields_is_empty() -> None:
    answer = await ask(
        lambda: items(1), "{ items { name @skip(if: true) part { name } } item { name @skip(if: true) } }"
    )
    assert answer.by == "both"  # the root `item` is a list here
    answer = await ask(lambda: items(1), "{ items { name @skip(if: true) } }")
    assert (answer.by, answer.data) == ("plan", {"items": [{}]})


FLAWS: dict[str, dict[str, Any]] = {
    "an error in the place of a value": {"name": ValueError("no name")},
    "null that is not allowed": {"name": None},
    "a value of another type": {"number": "many"},
    "a number that is too large": {"number": 2**31},
    "a number that is not finite": {"share": float("inf")},
    "no enum value": {"colour": "green"},
    "null in a list that allows none": {"strict": [[1, None]]},
    "no list": {"rows": 3},
    "no inner list": {"rows": [3]},
    "null in the place of a list": {"colours": None},
    "an object of another class": {"part": Plain(name="plain")},
    "a list with null": {"parts": [None]},
    "an error in a list": {"parts": [ValueError("no part")]},
    "an error of an inner object": {"parts": [Item(name=cast("Any", None))]},
}


@pytest.mark.parametrize("flaw", FLAWS.values(), ids=FLAWS)
async def test_item_with_a_flaw_has_the_errors_of_graphql_core(flaw: dict[str, Any]) -> None:
    def make() -> list[Item]:
        first, second, third = items(1, 2, 3)
        vars(second).update(flaw)
        return [first, second, third]

    answer = await ask(make, f"{{ items {{ {ALL} part {{ name }} parts {{ name }} }} }}")
    assert answer.by == "both"
    assert answer.errors


async def test_other_values_that_graphql_core_accepts_are_accepted() -> None:
    def make() -> list[Item]:
        (item,) = items(1)
        vars(item).update(number=2.0, share=1, name=Colour.RED.value, rows=((1, 2), [3]), colour="red")
        return [item]

    answer = await ask(make, f"{{ items {{ {ALL} }} }}")
    assert answer.errors == []
    assert answer.data["items"][0]["rows"] == [[1, 2], [3]]


async def test_resolver_that_fails_has_the_errors_of_graphql_core() -> None:
    text = "{ items { name ok: later { name } bad: later(fails: true) { name } } }"
    answer = await ask(lambda: items(1, 2), text)
    assert answer.by == "both"
    assert answer.data == {"items": [None, None]}
    assert [error["path"] for error in answer.errors] == [["items", 0, "bad"], ["items", 1, "bad"]]


async def test_root_field_that_fails_is_resolved_once() -> None:
    calls = []

    def make() -> Any:
        calls.append(1)
        raise ValueError("no item")

    answer = await ask(make, "{ item { name } }")
    assert (answer.by, answer.data) == ("both", {"item": None})
    assert len(calls) == 2  # one for graphql-core, one for the plan


MUTATIONS = """mutation { first: act(name: "1") { name } second: act(name: "2", fails: %s) { name }
    third: act(name: "3") { name part { name } } fourth: act(name: "4") { name } }"""


async def test_mutations_run_once_and_in_order() -> None:
    answer = await ask(lambda: Item(name="made"), MUTATIONS % "false")
    assert (answer.by, answer.effects, answer.errors) == ("plan", ["1", "2", "3", "4"], [])


async def test_mutation_that_fails_runs_once_and_keeps_the_others() -> None:
    answer = await ask(lambda: Item(name="made"), MUTATIONS % "true")
    assert (answer.by, answer.effects) == ("both", ["1", "2", "3", "4"])
    assert list(answer.data) == ["first", "second", "third", "fourth"]
    assert [error["path"] for error in answer.errors] == [["second"]]
    assert answer.data["second"] is None


async def test_mutation_whose_payload_fails_runs_once() -> None:
    made = iter([Item(name="a"), Item(name="b"), Item(name=cast("Any", None)), Item(name="d")] * 2)
    answer = await ask(lambda: next(made), MUTATIONS % "false")
    assert (answer.by, answer.effects) == ("both", ["1", "2", "3", "4"])
    assert [(answer.data[name] or {}).get("name") for name in answer.data] == ["a", "b", None, "d"]


async def test_mutation_that_must_not_be_null_takes_all_data_with_it() -> None:
    made = iter([Item(name="a"), Item(name=cast("Any", None))] * 2)
    text = (
        'mutation { a: act(name: "1") { name } b: required(name: "2") { name } c: act(name: "3") { name } }'
    )
    answer = await ask(lambda: next(made), text)
    assert (answer.by, answer.data, answer.effects) == ("both", None, ["1", "2"])


@pytest.mark.parametrize("limit", range(100, 1_300, 100))
async def test_reply_over_the_limit_is_refused_by_the_same_bytes(limit: int) -> None:
    text = f"{{ items {{ {ALL} part {{ name }} }} }}"
    answer = await ask(lambda: items(1, None, 3), text, limit)
    assert answer.by == ("plan" if answer.data else "both")


@pytest.mark.parametrize("text", ["{ items { number data colours } }", "{ plain { name number at } }"])
async def test_limit_of_the_reply_is_the_same_to_the_byte(text: str) -> None:
    accepted, plain = [], [Plain(name="a", number=None), Plain(name="é")]
    rows: list[Any] = plain if "plain" in text else items(1, None)
    for limit in range(20, 200):
        answer = await ask(lambda: rows, text, limit)
        assert answer.by == ("plan" if answer.data else "both")
        accepted.append(bool(answer.data))
    assert False in accepted
    assert True in accepted


@pytest.mark.parametrize("limit", range(120, 420, 20))
async def test_plain_list_over_the_limit_is_refused_by_the_same_bytes(limit: int) -> None:
    rows = [Plain(name=f"é{place}", number=place if place % 2 else None) for place in range(5)]
    answer = await ask(lambda: rows, "{ plain { name number at } }", limit)
    assert answer.by == ("plan" if answer.data else "both")


@dataclass
class Row:
    """An object with the attributes of a plain one."""

    name: str
    number: int | None = 3
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("flaw", [None, ValueError("no row"), Row(cast("Any", None)), {"name": "a"}])
async def test_plain_list_of_another_class_is_accepted_unless_it_has_a_flaw(flaw: Any) -> None:
    answer = await ask(lambda: [Row("a"), flaw], "{ plain { name number at } }")
    assert (answer.by, answer.data) == ("both", None)
    answer = await ask(lambda: [Row("a"), Plain(name="b")], "{ plain { name number at } }")
    assert (answer.by, [row["number"] for row in answer.data["plain"]]) == ("plan", [3, 1])


@pytest.mark.parametrize("limit", range(60, 300, 20))
async def test_mutations_over_the_limit_are_the_same(limit: int) -> None:
    answer = await ask(lambda: Item(name="made"), MUTATIONS % "false", limit)
    assert answer.data["first"] or answer.errors


async def test_reply_with_too_many_values_is_refused() -> None:
    for rows, accepted in ((3_749, True), (3_750, False)):
        answer = await ask(partial(items, *[1] * rows), "{ items { name number at share } }", 10**7)
        assert bool(answer.data) == accepted
        assert answer.by == ("plan" if accepted else "both")


async def test_plain_list_counts_a_quarter_of_its_values() -> None:
    for rows, accepted in ((19_990, True), (20_010, False)):
        made = [Plain(name="a")] * rows
        answer = await ask(partial(list, made), "{ plain { name number at } }", 10**7)
        assert bool(answer.data) == accepted
        assert answer.by == ("plan" if accepted else "both")


def compiled(text: str) -> Plan:
    schema, _ = schema_of(lambda: None)
    return compile_plan(executor_of(schema, text, {}, 1_000))


@pytest.mark.parametrize("text", ["{ named { name } }", "{ __schema { types { name } } }"])
def test_operation_with_an_unusual_part_has_no_plan(text: str) -> None:
    with pytest.raises(NotPlannedError):
        compiled(text)


def test_fragment_that_doubles_at_each_level_is_compiled_once_a_level() -> None:
    levels = 14
    fragments = [
        f"fragment F{level} on Item {{ a: part {{ ...F{level + 1} }} b: part {{ ...F{level + 1} }} }}"
        for level in range(levels)
    ]
    plan = compiled("{ item { ...F0 } }" + " ".join(fragments) + f"fragment F{levels} on Item {{ name }}")
    assert plan.bytes < 60_000


async def test_plan_that_fails_again_and_again_rests() -> None:
    schema, _ = schema_of(lambda: Item(name=cast("Any", None)))
    executor = executor_of(schema, "{ item { name } }", {}, 1_000)
    plan = compile_plan(executor)
    before = count("both")
    for _ in range(100):
        result = await run(executor_of(schema, "{ item { name } }", {}, 1_000), plan)
        assert result.data == {"item": None}
    assert count("both") - before < 10
