"""Reading a field of all objects of a level, and waiting for the whole level."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
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
    """A way to read a field of many objects that does not wait."""

    def read(self, objects: Sequence[Any]) -> list[Any]:
        """Return the value of each object."""


class Constant:
    """The name of a type."""

    def __init__(self, value: str) -> None:
        self._value = value

    def read(self, objects: Sequence[Any]) -> list[Any]:
        """Return the name for each object."""
        return [self._value] * len(objects)


class Attribute:
    """A field without a resolver."""

    def __init__(self, name: str) -> None:
        self._get = attrgetter(name)

    def read(self, objects: Sequence[Any]) -> list[Any]:
        """Return the attribute of each object."""
        return list(map(self._get, objects))


class FieldInfo(strawberry.Info[Any, Any]):
    """The `info` of a field; its path is the name only. Few resolvers read more of it than the context."""

    context: Any = None

    def __init__(self, resolver: "Resolver", request: Request) -> None:
        self.context = request.context
        self._field = resolver.field
        self._resolver = resolver
        # Not the request, which keeps the info: a circle of them would wait for the garbage collector.
        self._build = request.build

    @cached_property
    def _raw_info(self) -> GraphQLResolveInfo[Any]:  # type: ignore[override]  # made when it is read
        return self._resolver.raw_info(self._build())


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

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def call(self, objects: Sequence[Any], request: Request, values: list[Any]) -> None:
        """Append the result of the resolver for each object; it may be awaitable."""
        resolve, arguments = self._resolver.function, request.prepared(self, self._resolver.arguments)
        if self._resolver.takes_object:
            for item in objects:
                values.append(resolve(item, **arguments))
        else:
            for _ in objects:
                values.append(resolve(**arguments))


async def settle(columns: Sequence[list[Any]], request: Request) -> None:
    """Replace all awaitables in the columns by their results; raise the error of one that fails.

    Look-ups of one loader are one request. The rest runs concurrently.
    """
    lookups: list[tuple[list[Any], int, Lookup[Any, Any]]] = []
    others: list[tuple[list[Any], int]] = []
    for column in columns:
        waiting = {type_ for type_ in set(map(type, column)) if hasattr(type_, "__await__")}
        for place, value in enumerate(column) if waiting else ():
            if type(value) is Lookup:
                lookups.append((column, place, value))
            elif type(value) in waiting:
                others.append((column, place))
    keys: dict[Loader[Any], list[UUID]] = {}
    for _, _, lookup in lookups:
        keys.setdefault(lookup.loader, []).append(lookup.key)
    if request.alone and len(keys) == 1 and not others:
        ((loader, wanted),) = keys.items()
        await loader.read(wanted)
    elif keys or others:
        await _wait_for(keys, others)
    for column, place, lookup in lookups:
        column[place] = lookup.build(lookup.loader.rows[lookup.key])


async def _wait_for(keys: Mapping[Loader[Any], list[UUID]], others: Sequence[tuple[list[Any], int]]) -> None:
    reads = set().union(*(loader.request(wanted) for loader, wanted in keys.items()))
    if others:
        results = await together([column[place] for column, place in others])
        for (column, place), result in zip(others, results, strict=True):
            column[place] = result
    if reads:
        await finish(reads)


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
    for column in columns:
        for value in column:
            if iscoroutine(value):
                value.close()
