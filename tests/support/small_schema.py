"""A small schema with fields of every kind, whose results are compared by plan and by graphql-core."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast

import orjson
import strawberry
from graphql import ExecutionResult, parse
from prometheus_client import REGISTRY
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.utils.await_maybe import AwaitableOrValue

from schema.bounded_executor import BoundedExecutor
from schema.context import sync_or_async_field
from schema.executor.plan import compile_plan
from schema.executor.run import run

Make = Callable[[], Any]


@strawberry.enum
class Colour(Enum):
    """Colours."""

    RED = "red"
    BLUE = "blue"


@strawberry.interface
class Named:
    """Something with a name."""

    name: str


@strawberry.type
class Item(Named):
    """An object with a field of every kind."""

    number: int | None = 1
    share: float = 0.5
    colour: Colour = Colour.RED
    colours: list[Colour | None] = strawberry.field(default_factory=lambda: [Colour.RED, None])
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    data: JSON | None = None
    rows: list[list[int | None]] | None = strawberry.field(default_factory=lambda: [[1, None], []])
    strict: list[list[int]] | None = None
    part: "Item | None" = None
    parts: list["Item"] = strawberry.field(default_factory=list)

    @strawberry.field
    async def later(self, info: strawberry.Info, fails: bool = False) -> "Item":
        """Return an object after a turn of the loop."""
        await asyncio.sleep(0)
        if fails:
            raise ValueError(f"{self.name} fails")
        return Item(name=f"{self.name} of {info.context or 'nobody'}")

    @sync_or_async_field(str | None)
    def sometimes(self) -> AwaitableOrValue[str | None]:
        """Return a name, at times after a turn of the loop."""
        if self.number is None:
            return "now"
        return self._name()

    async def _name(self) -> str | None:
        await asyncio.sleep(0)
        return None if self.number == 2 else self.name

    @strawberry.field
    def times(self, count: int, sep: str = "-") -> str:
        """Repeat the name."""
        return sep.join([self.name] * count)


@strawberry.type
class Plain:
    """An object of plain attributes."""

    name: str
    number: int | None = 1
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Effects:
    """The mutations that ran."""

    names: list[str] = field(default_factory=list)


def schema_of(make: Make) -> tuple[strawberry.Schema, Effects]:
    """Return a schema whose root fields return what `make` makes."""
    effects = Effects()

    @strawberry.type
    class Query:
        @strawberry.field
        def item(self) -> Item | None:
            return cast("Item | None", make())

        @strawberry.field
        async def items(self) -> list[Item | None]:
            return cast("list[Item | None]", make())

        @strawberry.field
        def plain(self) -> list[Plain]:
            return cast("list[Plain]", make())

        @strawberry.field
        def named(self) -> Named | None:
            return cast("Named | None", make())

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        async def act(self, name: str, fails: bool = False) -> Item | None:
            effects.names.append(name)
            await asyncio.sleep(0)
            if fails:
                raise ValueError("refused")
            return cast("Item | None", make())

        @strawberry.mutation
        def required(self, name: str) -> Item:
            effects.names.append(name)
            return cast("Item", make())

    config = StrawberryConfig(scalar_map={})
    return strawberry.Schema(query=Query, mutation=Mutation, types=[Item], config=config), effects


def executor_of(
    schema: strawberry.Schema, text: str, variables: dict[str, Any], limit: int
) -> BoundedExecutor:
    executor = BoundedExecutor.build(
        schema._schema,
        parse(text),
        context_value="Ada",
        raw_variable_values=variables,
        is_awaitable=cast("Any", optimized_is_awaitable),
        reply_bytes=limit,
    )
    assert isinstance(executor, BoundedExecutor), executor
    return executor


def in_bytes(result: ExecutionResult) -> bytes:
    return orjson.dumps({"data": result.data, "errors": [error.formatted for error in result.errors or ()]})


@dataclass
class Answer:
    """The result of both, what made it, and the mutations that ran."""

    data: Any
    errors: list[dict[str, Any]]
    by: str
    effects: list[str]


async def ask(make: Make, text: str, limit: int = 100_000, **variables: Any) -> Answer:
    """Return the result, which must be the same by the plan and by graphql-core."""
    schema, effects = schema_of(make)
    by_core = in_bytes(await run(executor_of(schema, text, variables, limit), None))
    of_core = list(effects.names)
    effects.names.clear()
    executor = executor_of(schema, text, variables, limit)
    counts = {by: count(by) for by in ("plan", "both")}
    by_plan = in_bytes(await run(executor, compile_plan(executor)))
    assert by_plan == by_core
    assert effects.names == of_core
    (made_by,) = [by for by, before in counts.items() if count(by) > before]
    return Answer(**orjson.loads(by_plan), by=made_by, effects=effects.names)


def count(by: str) -> float:
    return REGISTRY.get_sample_value("baton_executions_total", {"by": by}) or 0


def items(*numbers: int | None) -> list[Item]:
    return [Item(name=f"item {place}", number=number) for place, number in enumerate(numbers)]
