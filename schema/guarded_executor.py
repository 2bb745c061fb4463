"""An executor for operations that select fields which their caller may not read."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import GraphQLObjectType, OperationType
from graphql.pyutils import Path

from resolvers.errors import ForbiddenError
from resolvers.field_scopes import FieldAccess, hidden_field_error
from schema.bounded_executor import BoundedExecutor
from schema.field_access import AccessReader
from schema.plain_lists import PlainField


class GuardedExecutor(BoundedExecutor):
    """An executor that answers FORBIDDEN at each hidden field.

    A mutation whose payload a hidden field would make null does not run: it is FORBIDDEN itself.
    """

    def __init__(self, *args: Any, access: FieldAccess, **options: Any) -> None:
        super().__init__(*args, **options)
        self._access = access
        self._refused: Mapping[str, ForbiddenError] = {}
        self._for_others: frozenset[str] = frozenset()
        if self.operation.operation is OperationType.MUTATION:
            reader = AccessReader(self.schema, self.fragment_definitions, access, self.variable_values)
            self._refused = reader.refused_roots(self.operation, self.context_value.actor)
            self._for_others = reader.roots_for_another_caller(self.operation)

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: Any,
        path: Path,
        position_context: Any,
    ) -> Any:
        """Resolve a field, unless it is hidden from the caller."""
        name = field_details_list[0].node.name.value
        error = self._refusal(parent_type, name, path)
        if error is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        self.handle_field_error(error, parent_type.fields[name].type, field_details_list, path)
        return None

    def plain_fields(self, item_type: GraphQLObjectType, details: Any) -> Sequence[PlainField] | None:
        """Return None: each field must be checked."""
        return None

    def _refusal(self, parent_type: GraphQLObjectType, name: str, path: Path) -> ForbiddenError | None:
        if path.prev is None:
            return self._refused.get(str(path.key))
        if name.startswith("__") or self._is_for_another_caller(path):
            return None
        if self._access.hides(_holder(path), parent_type.name, name):
            return hidden_field_error(parent_type.name, name)
        return None

    def _is_for_another_caller(self, path: Path) -> bool:
        while path.prev is not None:
            path = path.prev
        return path.key in self._for_others


def _holder(path: Path) -> str:
    """Return the type that holds the object of the field: lists have no type of their own."""
    above = path.prev
    while above is not None and above.typename is None:
        above = above.prev
    return "" if above is None else str(above.typename)
