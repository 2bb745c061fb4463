"""Reading an operation for fields that its caller may not read.

The document decides it before anything runs. An operation without such fields needs no further check.
"""

from collections.abc import Mapping

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLNamedType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableValues,
    get_directive_values,
    get_named_type,
    is_interface_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)

from resolvers.actor import Actor
from resolvers.errors import ForbiddenError
from resolvers.field_scopes import FOR_ANOTHER_CALLER, FieldAccess, hidden_field_error
from resolvers.permissions import PERMISSIONS


class AccessReader:
    """A reading of one operation for callers with the same scopes.

    Without `variables`, fields under @skip and @include count as selected. A fragment is read once for each
    type that holds the object it is spread in.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        access: FieldAccess,
        variables: VariableValues | None = None,
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._access = access
        self._variables = variables
        self._hidden: ForbiddenError | None = None
        self._read: dict[tuple[str, str], bool] = {}

    def selects_hidden(self, operation: OperationDefinitionNode) -> bool:
        """Return whether a field is selected that the caller may not read."""
        root = self._schema.get_root_type(operation.operation)
        self._selection(operation.selection_set, root, "")
        return self._hidden is not None

    def refused_roots(self, operation: OperationDefinitionNode, caller: Actor) -> dict[str, ForbiddenError]:
        """Return the errors of root fields that hidden fields would make null, by their response names.

        Root fields that the caller may not use are left out: they refuse by themselves.
        """
        root = self._schema.get_root_type(operation.operation)
        refused: dict[str, ForbiddenError] = {}
        for node in self._root_fields(operation.selection_set):
            if node.name.value not in PERMISSIONS:
                continue  # __typename
            self._hidden = None
            self._read.clear()
            permission = PERMISSIONS[node.name.value]
            usable = permission is None or permission.grants(caller)
            if usable and self._below(node, root) and self._hidden:
                refused[(node.alias or node.name).value] = self._hidden
        return refused

    def roots_for_another_caller(self, operation: OperationDefinitionNode) -> frozenset[str]:
        """Return the response names of root fields whose payload is for another caller."""
        return frozenset(
            (node.alias or node.name).value
            for node in self._root_fields(operation.selection_set)
            if node.name.value in FOR_ANOTHER_CALLER
        )

    def _root_fields(self, selection: SelectionSetNode) -> list[FieldNode]:
        fields: list[FieldNode] = []
        for node in filter(self._is_included, selection.selections):
            if isinstance(node, FieldNode):
                fields.append(node)
            elif isinstance(node, FragmentSpreadNode):
                fields += self._root_fields(self._fragments[node.name.value].selection_set)
            elif isinstance(node, InlineFragmentNode):
                fields += self._root_fields(node.selection_set)
        return fields

    def _selection(
        self, selection: SelectionSetNode | None, parent: GraphQLNamedType | None, holder: str
    ) -> bool:
        """Read a selection; return whether a hidden field in it makes the object null."""
        nulls = False
        for node in selection.selections if selection else ():
            if not self._is_included(node):
                continue
            if isinstance(node, FieldNode):
                nulls |= self._field(node, parent, holder)
            elif isinstance(node, FragmentSpreadNode):
                nulls |= self._fragment(node.name.value, holder)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                nulls |= self._selection(node.selection_set, inner, holder)
        return nulls

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, holder: str) -> bool:
        name = node.name.value
        if name.startswith("__") or not (is_object_type(parent) or is_interface_type(parent)):
            return False
        if holder and self._access.hides(holder, parent.name, name):
            self._hidden = self._hidden or hidden_field_error(parent.name, name)
            return is_non_null_type(parent.fields[name].type)
        return self._below(node, parent) and _passes_null(parent.fields[name].type)

    def _below(self, node: FieldNode, parent: GraphQLNamedType | None) -> bool:
        assert is_object_type(parent) or is_interface_type(parent)
        if node.name.value in FOR_ANOTHER_CALLER:
            return False
        type_ = get_named_type(parent.fields[node.name.value].type)
        return self._selection(node.selection_set, type_, parent.name)

    def _fragment(self, name: str, holder: str) -> bool:
        if (name, holder) not in self._read:
            fragment = self._fragments[name]
            condition = self._schema.get_type(fragment.type_condition.name.value)
            self._read[name, holder] = self._selection(fragment.selection_set, condition, holder)
        return self._read[name, holder]

    def _is_included(self, node: SelectionNode) -> bool:
        if self._variables is None or not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self._variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self._variables)
        return not (skip and skip["if"]) and (include is None or bool(include["if"]))


def _passes_null(type_: GraphQLOutputType) -> bool:
    """Return whether null in a value of the type may make the object null that has the field."""
    if not is_non_null_type(type_):
        return False
    inner = type_.of_type
    return _passes_null(inner.of_type) if is_list_type(inner) else True
