"""Reading a field of all objects of a level, and waiting for the whole level."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from inspect import iscoroutine
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, cast
from uuid import UUID

import strawberry
from graphql import GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

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


class _Call(NamedTuple):
    arguments: dict[str, Any]


class Call:
    """A field with a resolver, which is called for each object.

    The arguments and `info` are made once in a run. The path in `info` has no places in lists.
    """

    waits = True

    def __init__(
        self, parent: GraphQLObjectType, definition: GraphQLField, details: FieldDetailsList
    ) -> None:
        field = definition.extensions["strawberry-definition"]
        assert isinstance(field, StrawberryField)
        resolver = field.base_resolver
        if resolver is None or resolver.root_parameter or resolver.parent_parameter:
            raise NotPlannedError(f"{parent.name}.{field.python_name}")
        self._parent = parent
        self._definition = definition
        self._details = details
        self._field = field
        self._resolve = cast("Callable[..., Any]", resolver.wrapped_func)
        self._takes_object = resolver.self_parameter is not None
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else None

    def read(self, objects: Sequence[Any], request: Request, values: list[Any]) -> None:
        """Append the result of the resolver for each object."""
        resolve, arguments = self._resolve, request.prepared(self, self._prepare).arguments
        if self._takes_object:
            for item in objects:
                values.append(resolve(item, **arguments))
        else:
            for _ in objects:
                values.append(resolve(**arguments))

    def _prepare(self, request: Request) -> _Call:
        executor, node = request.executor, self._details[0].node
        path = Path(None, node.name.value, self._parent.name)
        nodes = [details.node for details in self._details]
        raw = executor.build_resolve_info(self._definition, nodes, self._parent, path)
        info: Any = strawberry.Info(_raw_info=raw, _field=self._field)
        arguments: dict[str, Any] = {}
        if self._definition.args:
            given = get_argument_values(self._definition, node, executor.variable_values)
            schema = info.schema
            registry = schema.schema_converter.scalar_registry
            arguments = convert_arguments(given, self._field.arguments, registry, schema.config, info)
        if self._info_name:
            arguments[self._info_name] = info
        return _Call(arguments)


async def settle(columns: Sequence[list[Any]]) -> None:
    """Replace all awaitables in the columns by their results; raise the error of one that fails.

    Look-ups of one loader are one request. The rest runs concurrently.
    """
    lookups: list[tuple[list[Any], int, Lookup[Any, Any]]] = []
    others: list[tuple[list[Any], int]] = []
    for column, place, value in _awaitables(columns):
        if type(value) is Lookup:
            lookups.append((column, place, value))
        else:
            others.append((column, place))
    keys: dict[Loader[Any], list[UUID]] = {}
    for _, _, lookup in lookups:
        keys.setdefault(lookup.loader, []).append(lookup.key)
    reads = set().union(*(loader.request(wanted) for loader, wanted in keys.items()))
    if others:
        results = await together([column[place] for column, place in others])
        for (column, place), result in zip(others, results, strict=True):
            column[place] = result
    if reads:
        await finish(reads)
    for column, place, lookup in lookups:
        column[place] = lookup.result()


def _awaitables(columns: Sequence[list[Any]]) -> Iterator[tuple[list[Any], int, Any]]:
    for column in columns:
        if any(hasattr(type_, "__await__") for type_ in set(map(type, column))):
            for place, value in enumerate(column):
                if hasattr(value, "__await__"):
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
