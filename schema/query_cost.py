"""The cost of an operation: how deep it nests and how many fields its result may have.

The result can be far larger than the document: a page multiplies the fields below it, and a
fragment that is spread under two aliases doubles them. The count visits each fragment once, so it is linear
in the document. It is an upper bound: fields that a fragment repeats are counted again.
"""

from collections.abc import Mapping
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_interface_type,
    is_list_type,
    is_object_type,
)

from resolvers.errors import TooComplexError
from resolvers.pagination import LARGEST, USUAL
from schema.list_lengths import LENGTHS

DEPTH_LIMIT = 15
FIELD_LIMIT = 100_000

# Integers of JSON are exact up to here.
_LARGEST_REPORTED = 2**53
# Fields that take as long: a page and its count for each row, the statement that reads them for all rows, and
# the transaction of a mutation.
PAGE_FIELDS, COUNT_FIELDS, STATEMENT_FIELDS = 700, 300, 350
# Reading a row, whatever is selected of it: of a root field, as the ORM took it, and of another page.
ROW_FIELDS, RELATED_ROW_FIELDS = 35, 8
MUTATION_FIELDS = 2_000
_PAGE_ARGUMENTS = ("first", "last")
_PAGES = frozenset(map(str, range(1, LARGEST + 1)))


class Cost(NamedTuple):
    """The size of a selection: fields, fields for each row of the page that it belongs to, and depth.

    `statements` are those of its pages and counts. One statement reads the pages of all rows.
    """

    fields: float = 0
    fields_per_row: float = 0
    depth: int = 0
    statements: int = 0

    def __add__(self, other: object) -> "Cost":
        """Return the cost of both selections next to each other."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(
            self.fields + other.fields,
            self.fields_per_row + other.fields_per_row,
            max(self.depth, other.depth),
            self.statements + other.statements,
        )


class CostCounter:
    """A count of one operation that is valid against the schema.

    `variables` are the values that the caller sent. Without them a page sized by a variable counts as the
    largest page, so the result holds for all values. `introspects` is set when the operation reads
    `__schema` or `__type`.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self.introspects = False
        self._schema = schema
        self._operation = operation
        self._fragments = fragments
        self._variables = variables
        self._defaults = {
            definition.variable.name.value: definition for definition in operation.variable_definitions or ()
        }
        self._counted: dict[str, Cost] = {}

    def count(self) -> Cost:
        """Return the cost of the operation."""
        root = self._schema.get_root_type(self._operation.operation)
        total = self._selection(self._operation.selection_set, root)
        return total._replace(fields=total.fields + STATEMENT_FIELDS * total.statements)

    def _selection(self, selection: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Cost:
        total = Cost()
        for node in selection.selections if selection else ():
            if isinstance(node, FieldNode):
                total += self._field(node, parent)
            elif isinstance(node, FragmentSpreadNode):
                total += self._fragment(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                total += _deeper(self._selection(node.selection_set, inner))
        return total

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Cost:
        name = node.name.value
        if name == "__typename" or not (is_object_type(parent) or is_interface_type(parent)):
            return Cost(1)
        self.introspects = self.introspects or name in {"__schema", "__type"}
        definition = self._schema.get_field(parent, name)
        if definition is None:
            return Cost(1)
        below = self._selection(node.selection_set, get_named_type(definition.type))
        depth = below.depth + (not name.startswith("__") and not parent.name.startswith("__"))
        statements = below.statements
        if any(argument in definition.args for argument in _PAGE_ARGUMENTS):
            row = ROW_FIELDS if parent is self._schema.query_type else RELATED_ROW_FIELDS
            fields = PAGE_FIELDS + below.fields + self._page(node) * (row + below.fields_per_row)
            return Cost(fields, 0, depth, statements + 1)
        fields = below.fields + USUAL * below.fields_per_row
        if name == "totalCount":
            return Cost(COUNT_FIELDS, 0, depth, 1)
        if parent is self._schema.mutation_type:
            return Cost(MUTATION_FIELDS + self._length(parent, name) * fields, 0, depth, statements)
        if not is_list_type(get_nullable_type(definition.type)):
            return Cost(1 + self._wrapped(parent, name) * fields, 0, depth, statements)
        if parent.name.endswith("Connection"):
            return Cost(1, fields, depth, statements)
        return Cost(1 + self._length(parent, name) * fields, 0, depth, statements)

    def _fragment(self, name: str) -> Cost:
        if name not in self._counted:
            fragment = self._fragments[name]
            condition = self._schema.get_type(fragment.type_condition.name.value)
            self._counted[name] = _deeper(self._selection(fragment.selection_set, condition))
        return self._counted[name]

    def _page(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in _PAGE_ARGUMENTS and not isinstance(argument.value, NullValueNode):
                value = argument.value
                if isinstance(value, VariableNode):
                    return self._page_of_variable(value.name.value)
                return _page_size(value)
        return USUAL

    def _page_of_variable(self, name: str) -> int:
        if self._variables is None:
            return LARGEST
        definition: VariableDefinitionNode | None = self._defaults.get(name)
        if name not in self._variables:
            return _page_size(definition.default_value) if definition and definition.default_value else USUAL
        value = self._variables[name]
        return USUAL if value is None else value if type(value) is int and 0 < value <= LARGEST else LARGEST

    def _length(self, parent: GraphQLNamedType, name: str) -> float:
        if not parent.name.startswith("__"):
            return LENGTHS.get(f"{parent.name}.{name}", 1)
        if name == "types":
            return len(self._schema.type_map)
        return self._fields_per_type if name == "fields" else 2

    @cached_property
    def _fields_per_type(self) -> float:
        types = [type_ for type_ in self._schema.type_map.values() if is_object_type(type_)]
        return sum(len(type_.fields) for type_ in types) / len(types)

    @staticmethod
    def _wrapped(parent: GraphQLNamedType, name: str) -> float:
        # About every second type in the schema is wrapped in a list or in non-null.
        return 0.6 if parent.name == "__Type" and name == "ofType" else 1


def cost_extension(cost: Cost) -> dict[str, Any]:
    """Return the extensions of an answer that report the cost."""
    return {"cost": {"fields": min(ceil(cost.fields), _LARGEST_REPORTED), "limit": FIELD_LIMIT}}


def is_allowed(cost: Cost) -> bool:
    """Return whether an operation of that cost may run."""
    return cost.depth <= DEPTH_LIMIT and cost.fields <= FIELD_LIMIT


def check_cost(cost: Cost) -> None:
    """Raise TooComplexError for an operation that costs more than is allowed."""
    if cost.depth > DEPTH_LIMIT:
        raise TooComplexError(f"The operation nests deeper than {DEPTH_LIMIT} fields.")
    if cost.fields > FIELD_LIMIT:
        raise TooComplexError(
            f"The result may have more than {FIELD_LIMIT:,} fields. Ask for smaller pages or fewer fields."
        )


def _deeper(cost: Cost) -> Cost:
    return cost._replace(depth=cost.depth + 1)


def _page_size(value: Any) -> int:
    # Any other number is refused when the page is read.
    return int(value.value) if isinstance(value, IntValueNode) and value.value in _PAGES else LARGEST
