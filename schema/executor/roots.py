"""Root fields: each is resolved once, whatever becomes of its result."""

from collections.abc import Sequence
from inspect import isawaitable

from graphql import GraphQLField, GraphQLObjectType
from graphql.execution.collect_fields import FieldDetailsList
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path

from schema.bounded_executor import PUNCTUATION, BoundedExecutor, RootResult
from schema.executor.calls import together
from schema.executor.columns import Column
from schema.executor.request import Request


class Root:
    """A root field. Without a `definition` it is __typename."""

    def __init__(
        self,
        name: str,
        parent: GraphQLObjectType,
        details: FieldDetailsList,
        definition: GraphQLField | None,
        column: Column,
    ) -> None:
        self.name = name
        self._parent = parent
        self._nodes = [item.node for item in details]
        self._definition = definition
        self._column = column

    async def resolve(self, executor: BoundedExecutor) -> RootResult:
        """Call the field's resolver, and return its value or its error."""
        definition, node = self._definition, self._nodes[0]
        if definition is None:
            return RootResult(self._parent.name)
        path = Path(None, self.name, self._parent.name)
        info = executor.build_resolve_info(definition, self._nodes, self._parent, path)
        resolve = definition.resolve or executor.field_resolver
        try:
            arguments = get_argument_values(definition, node, executor.variable_values)
            value = resolve(executor.root_value, info, **arguments)
            return RootResult(await value if isawaitable(value) else value)
        except Exception as error:
            return RootResult(error=error)

    async def complete(self, result: RootResult, request: Request) -> object:
        """Return the completed value; raise the error of the field, or DiscardedError."""
        if result.error is not None:
            raise result.error
        request.spend(1, len(self.name) + PUNCTUATION)
        (completed,) = await self._column.complete([result.value], request)
        return completed


async def resolve_all(roots: Sequence[Root], executor: BoundedExecutor) -> dict[str, RootResult]:
    """Resolve root fields concurrently, and return their results by response name."""
    results = await together([root.resolve(executor) for root in roots])
    return {root.name: result for root, result in zip(roots, results, strict=True)}
