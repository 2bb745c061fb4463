"""Root fields: each is resolved once, whatever becomes of its result."""

from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from schema.bounded_executor import PUNCTUATION, RootResult
from schema.executor.calls import Resolver
from schema.executor.columns import Column
from schema.executor.request import NotPlannedError, Request


class Root:
    """A root field. Without a `definition` it is __typename, without a `resolver` Strawberry calls it."""

    def __init__(
        self,
        name: str,
        parent: GraphQLObjectType,
        details: FieldDetailsList,
        definition: GraphQLField | None,
        column: Column,
        resolver: Resolver | None = None,
    ) -> None:
        self.name = name
        self._parent = parent
        self._nodes = [item.node for item in details]
        self._definition = definition
        self._column = column
        self._resolver = resolver

    async def resolve(self, request: Request) -> RootResult:
        """Call the field's resolver, and return its value or its error."""
        if self._definition is None:
            return RootResult(self._parent.name)
        try:
            value = self._call(request, self._definition)
            return RootResult(await value if hasattr(value, "__await__") else value)
        except Exception as error:
            return RootResult(error=error)

    def _call(self, request: Request, definition: GraphQLField) -> Any:
        resolver = self._resolver
        if resolver is None:
            executor = request.executor
            path = Path(None, self.name, self._parent.name)
            info = executor.build_resolve_info(definition, self._nodes, self._parent, path)
            resolve = definition.resolve or executor.field_resolver
            arguments = get_argument_values(definition, self._nodes[0], executor.variable_values)
            return resolve(executor.root_value, info, **arguments)
        # The only extension of a field that has a resolver here is FreshContext.
        if resolver.field.extensions:
            request.context.reset()
        arguments = resolver.arguments(request)
        if resolver.takes_object:
            return resolver.function(request.root, **arguments)
        return resolver.function(**arguments)

    async def complete(self, result: RootResult, request: Request) -> object:
        """Return the completed value; raise the error of the field, or DiscardedError."""
        if result.error is not None:
            raise result.error
        request.spend(1, len(self.name) + PUNCTUATION)
        (completed,) = await self._column.complete([result.value], request)
        return completed


class EventRoot(Root):
    """The root field of a subscription. Its value is the event, and its resolver returns the source."""

    @property
    def node(self) -> FieldNode:
        """Return the field in the document."""
        return self._nodes[0]

    async def resolve(self, request: Request) -> RootResult:
        """Return the event."""
        return RootResult(request.root)

    def subscribe(self, request: Request) -> tuple[Any, dict[str, Any]]:
        """Return the result of the resolver, and its arguments.

        Raises the resolver's errors, and NotPlannedError if only Strawberry can call it.
        """
        resolver = self._resolver
        if resolver is None or resolver.field.extensions:
            raise NotPlannedError(f"the resolver of {self.name}")
        arguments = resolver.arguments(request)
        return resolver.function(None, **arguments), arguments
