"""Reading a field of all objects of a level, and waiting for the whole level."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from inspect import iscoroutine
from operator import attrgetter
from typing import Any, Protocol, cast
from uuid import UUID

import strawberry
from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLSchema
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from schema.bounded_executor import BoundedExecutor
from schema.executor.arguments import argument_converter
from schema.executor.request import NotPlannedError, Request
from schema.lookups import Loader, Lookup, finish


class Reader(Protocol):
    """A way to read a field of many objects."""

    waits: bool

    def read(self, objects: Sequence[Any], request: Request, values: list[Any]) -> None:
        """Append the value of each object; values may be awaitable if the reader `waits`."""


class Constant:
    """The name of a type."""

    waits = False

    def __init__(self, value: str) -> None:
        self._value = value

    def read(self, objects: Sequence[Any], _: Request, values: list[Any]) -> None:
        """Append the name for each object."""
        values += [self._value] * len(objects)


class Attribute:
    """A field without a resolver."""

    waits = False

    def __init__(self, name: str) -> None:
        self._get = attrgetter(name)

    def read(self, objects: Sequence[Any], _: Request, values: list[Any]) -> None:
        """Append the attribute of each object."""
        values.extend(map(self._get, objects))


class Resolver:
    """The resolver of a field, and how its arguments are made; raises NotPlannedError for unusual ones."""

    def __init__(self, parent: GraphQLObjectType, definition: GraphQLField, schema: GraphQLSchema) -> None:
        field = definition.extensions["strawberry-definition"]
        assert isinstance(field, StrawberryField)
        resolver = field.base_resolver
        if resolver is None or resolver.root_parameter or resolver.parent_parameter:
            raise NotPlannedError(f"{parent.name}.{field.python_name}")
        self.field = field
        self.function = cast("Callable[..., Any]", resolver.wrapped_func)
        self.takes_object = resolver.self_parameter is not None
        self._parent = parent
        self._definition = definition
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else None
        self._convert = argument_converter(field, cast(Any, schema)._strawberry_schema.config)

    def arguments(
        self, executor: BoundedExecutor, nodes: list[FieldNode], name: str | None = None
    ) -> dict[str, Any]:
        """Return the arguments of a call; the path in `info` is the name only."""
        given = get_argument_values(self._definition, nodes[0], executor.variable_values)
        arguments = self._convert(given)
        if self._info_name:
            path = Path(None, name or nodes[0].name.value, self._parent.name)
            raw = executor.build_resolve_info(self._definition, nodes, self._parent, path)
            arguments[self._info_name] = strawberry.Info[Any, Any](_raw_info=raw, _field=self.field)
        return arguments


class Call:
    """A field with a resolver, which is called for each object.

    The arguments and `info` are made once in a run. The path in `info` has no places in lists.
    """

    waits = True

    def __init__(self, resolver: Resolver, details: FieldDetailsList) -> None:
        self._resolver = resolver
        self._nodes = [item.node for item in details]

    def read(self, objects: Sequence[Any], request: Request, values: list[Any]) -> None:
        """Append the result of the resolver for each object."""
        resolve, arguments = self._resolver.function, request.prepared(self, self._prepare)
        if self._resolver.takes_object:
            for item in objects:
                values.append(resolve(item, **arguments))
        else:
            for _ in objects:
                values.append(resolve(**arguments))

    def _prepare(self, request: Request) -> dict[str, Any]:
        return self._resolver.arguments(request.executor, self._nodes)


async def settle(columns: Sequence[list[Any]]) -> None:
    """Replace all awaitables in the columns by their results; raise the error of one that fails.

    Look-ups of one loader are one request. The rest runs concurrently.
    """
    lookups = [(column, _lookups(column)) for column in columns]
    others = [(column, place) for column, place, value in _awaitables(columns) if type(value) is not Lookup]
    keys: dict[Loader[Any], list[UUID]] = {}
    for _, of_column in lookups:
        for _, lookup in of_column:
            keys.setdefault(lookup.loader, []).append(lookup.key)
    reads = set().union(*(loader.request(wanted) for loader, wanted in keys.items()))
    if others:
        results = await together([column[place] for column, place in others])
        for (column, place), result in zip(others, results, strict=True):
            column[place] = result
    if reads:
        await finish(reads)
    for column, of_column in lookups:
        for place, lookup in of_column:
            column[place] = lookup.build(lookup.loader.rows[lookup.key])


def _lookups(column: list[Any]) -> list[tuple[int, Lookup[Any, Any]]]:
    if Lookup not in set(map(type, column)):
        return []
    return [(place, value) for place, value in enumerate(column) if type(value) is Lookup]


def _awaitables(columns: Sequence[list[Any]]) -> Iterator[tuple[list[Any], int, Any]]:
    for column in columns:
        waiting = {type_ for type_ in set(map(type, column)) if hasattr(type_, "__await__")}
        if waiting:
            for place, value in enumerate(column):
                if type(value) in waiting:
                    yield column, place, value


async def together(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    """Return the results of all. If one fails the others are cancelled, and have ended when it raises."""
    if len(awaitables) == 1:
        return [await awaitables[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_coroutine(awaitable)) for awaitable in awaitables]
    return [task.result() for task in tasks]


def _coroutine(awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    return awaitable if iscoroutine(awaitable) else _wait(awaitable)


async def _wait(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def close(columns: Sequence[list[Any]]) -> None:
    """Close the coroutines in the columns, which are not awaited."""
    for _, _, value in _awaitables(columns):
        if iscoroutine(value):
            value.close()
