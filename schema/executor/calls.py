"""Reading a field of all objects of a level, and waiting for the whole level."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import cached_property
from inspect import iscoroutine
from operator import attrgetter
from typing import Any, Protocol, cast
from uuid import UUID

import strawberry
from graphql import FieldNode, GraphQLField, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from graphql.pyutils import Path
from strawberry.types.field import StrawberryField

from schema.bounded_executor import BoundedExecutor
from schema.executor.arguments import argument_converter, argument_reader
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


class FieldInfo(strawberry.Info[Any, Any]):
    """The `info` of a field; its path is the name only. Few resolvers read more of it than the context."""

    context: Any = None

    def __init__(self, resolver: "Resolver", request: Request) -> None:
        self.context = request.context
        self._field = resolver.field
        self._resolver = resolver
        self._request = request

    @cached_property
    def _raw_info(self) -> GraphQLResolveInfo[Any]:  # type: ignore[override]  # made when it is read
        return self._resolver.raw_info(self._request.executor)


class Resolver:
    """The resolver of a selected field, and how its arguments are made.

    Raises NotPlannedError for unusual ones.
    """

    def __init__(
        self,
        parent: GraphQLObjectType,
        definition: GraphQLField,
        nodes: list[FieldNode],
        name: str,
        schema: GraphQLSchema,
    ) -> None:
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
        self._nodes = nodes
        self._name = name
        self._read = argument_reader(definition, nodes[0])
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else None
        self._convert = argument_converter(field, cast(Any, schema)._strawberry_schema.config)

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a call."""
        arguments = self._convert(self._read(request.variables))
        if self._info_name:
            arguments[self._info_name] = FieldInfo(self, request)
        return arguments

    def raw_info(self, executor: BoundedExecutor) -> GraphQLResolveInfo[Any]:
        """Return graphql-core's `info` of the field."""
        path = Path(None, self._name, self._parent.name)
        return executor.build_resolve_info(self._definition, self._nodes, self._parent, path)


class Call:
    """A field with a resolver, which is called for each object.

    The arguments and `info` are made once in a run.
    """

    waits = True

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def read(self, objects: Sequence[Any], request: Request, values: list[Any]) -> None:
        """Append the result of the resolver for each object."""
        resolve, arguments = self._resolver.function, request.prepared(self, self._resolver.arguments)
        if self._resolver.takes_object:
            for item in objects:
                values.append(resolve(item, **arguments))
        else:
            for _ in objects:
                values.append(resolve(**arguments))


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
