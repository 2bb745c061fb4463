"""Compiling an operation into a plan."""

from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    OperationType,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList, collect_fields, collect_subfields
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from models.compiled_select import Shown
from schema.bounded_executor import BoundedExecutor
from schema.executor.calls import Attribute, Call, Constant, Reader, Resolver
from schema.executor.columns import Column, Field, Lists, Objects
from schema.executor.leaves import Leaves
from schema.executor.request import NotPlannedError
from schema.executor.roots import EventRoot, Root
from schema.mutation import FreshContext
from schema.plain_lists import plain_fields
from schema.row_fields import columns_of_field

_DEFINITION = "strawberry-definition"
# A fragment can be spread in many places. Larger operations are not worth a plan.
_FIELD_LIMIT = 1_000
# Measured with tracemalloc: 500 to 860 bytes a field.
_FIELD_BYTES = 900
_PLAN_BYTES = 1_500
# After a plan has failed, it rests for the next runs: twice as many each time, up to this power of two.
_MOST_DOUBLINGS = 6


class Plan:
    """An operation for one combination of the variables that its @skip and @include use.

    `shown` has the columns that its fields need, by model. A plan whose results are discarded again and again
    rests: graphql-core runs the operation.
    """

    def __init__(self, roots: list[Root], fields: int, shown: Shown, *, serial: bool) -> None:
        self.shown = shown
        self.stages = [[root] for root in roots] if serial else [roots]
        self.bytes = _PLAN_BYTES + fields * _FIELD_BYTES
        self._failures = 0
        self._rest = 0

    def is_due(self) -> bool:
        """Return whether the plan should run now; if it rests, count the run."""
        if self._rest:
            self._rest -= 1
            return False
        return True

    def succeeded(self) -> None:
        """Note that a result was complete."""
        self._failures = 0

    def failed(self) -> None:
        """Note that a result was discarded."""
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        self._rest = 1 << self._failures


def compile_plan(executor: BoundedExecutor) -> Plan:
    """Return the plan of the executor's operation; raise NotPlannedError.

    It serves any run with the same values of the variables that @skip and @include use.
    """
    compiler = _Compiler(executor)
    roots = compiler.roots()
    serial = executor.operation.operation is OperationType.MUTATION
    return Plan(roots, compiler.fields, compiler.shown(), serial=serial)


class _Compiler:
    def __init__(self, executor: BoundedExecutor) -> None:
        self.fields = 0
        self._executor = executor
        self._schema: GraphQLSchema = executor.schema
        # A fragment that is spread in many places is compiled once for each set of its fields.
        self._objects: dict[Any, Objects] = {}
        self._columns: dict[type, set[str] | None] = {}

    def shown(self) -> Shown:
        """Return the columns that the fields need, by model; one of which all are needed is missing."""
        return {model: frozenset(names) for model, names in self._columns.items() if names is not None}

    def roots(self) -> list[Root]:
        executor = self._executor
        type_ = self._schema.get_root_type(executor.operation.operation)
        assert type_ is not None
        selected = collect_fields(
            self._schema, executor.fragments, executor.variable_values, type_, executor.operation
        )
        return [self._root(type_, name, details) for name, details in selected.grouped_field_set.items()]

    def _root(self, parent: GraphQLObjectType, name: str, details: FieldDetailsList) -> Root:
        _check(details)
        self.fields += 1
        definition = self._definition(parent, details)
        if definition is None:
            return Root(name, parent, details, None, Leaves(GraphQLString, required=True))
        resolver = self._root_resolver(parent, name, definition, details)
        column = self._column(definition.type, details)
        is_subscription = self._executor.operation.operation is OperationType.SUBSCRIPTION
        return (EventRoot if is_subscription else Root)(name, parent, details, definition, column, resolver)

    def _root_resolver(
        self, parent: GraphQLObjectType, name: str, definition: GraphQLField, details: FieldDetailsList
    ) -> Resolver | None:
        """Return the resolver of a root field, or None if only Strawberry can call it."""
        field = definition.extensions.get(_DEFINITION)
        if not isinstance(field, StrawberryField):
            return None
        if any(type(extension) is not FreshContext for extension in field.extensions):
            return None
        try:
            return self._resolver(parent, name, definition, details)
        except NotPlannedError:
            return None

    def _resolver(
        self, parent: GraphQLObjectType, name: str, definition: GraphQLField, details: FieldDetailsList
    ) -> Resolver:
        return Resolver(parent, definition, [item.node for item in details], name, self._schema)

    def _definition(self, parent: GraphQLObjectType, details: FieldDetailsList) -> GraphQLField | None:
        """Return the selected field; None is __typename."""
        name = details[0].node.name.value
        if name == "__typename":
            return None
        definition: GraphQLField | None = parent.fields.get(name)
        if definition is None:
            raise NotPlannedError(f"{parent.name}.{name}")
        return definition

    def _column(self, type_: GraphQLOutputType, details: FieldDetailsList, *, plain: bool = False) -> Column:
        required, inner = is_non_null_type(type_), get_nullable_type(type_)
        if is_leaf_type(inner):
            return Leaves(inner, required=required, plain=plain)
        if is_list_type(inner):
            return self._list(inner.of_type, details, required=required)
        if is_object_type(inner):
            return self._object(inner, details, required=required, plain=plain)
        raise NotPlannedError(f"{inner} is abstract")

    def _list(self, item: GraphQLOutputType, details: FieldDetailsList, *, required: bool) -> Lists:
        type_, values = get_nullable_type(item), 0
        if is_leaf_type(type_):
            values = 1
        elif is_object_type(type_):
            values = len(plain_fields(type_, self._subfields(type_, details)) or ())
        plain = values > 0 and not is_leaf_type(type_)
        items = self._column(item, details, plain=plain)
        return Lists(items, required=required, values_per_item=values)

    def _object(
        self, type_: GraphQLObjectType, details: FieldDetailsList, *, required: bool, plain: bool
    ) -> Objects:
        key = type_.name, required, plain, tuple(id(item.node) for item in details)
        column = self._objects.get(key)
        if column is None:
            column = self._objects[key] = Objects(_classes_of(type_), required=required, plain=plain)
            selected = self._subfields(type_, details)
            column.select([self._field(type_, name, below, plain) for name, below in selected.items()])
        return column

    def _subfields(self, type_: GraphQLObjectType, details: FieldDetailsList) -> dict[str, FieldDetailsList]:
        executor = self._executor
        return collect_subfields(
            self._schema, executor.fragments, executor.variable_values, executor.operation, type_, details
        ).grouped_field_set

    def _field(self, parent: GraphQLObjectType, name: str, details: FieldDetailsList, plain: bool) -> Field:
        _check(details)
        self.fields += 1
        if self.fields > _FIELD_LIMIT:
            raise NotPlannedError("too many fields")
        definition = self._definition(parent, details)
        if definition is None:
            return Field(name, Constant(parent.name), Leaves(GraphQLString, required=True))
        self._note_columns(parent, definition)
        column = self._column(definition.type, details, plain=plain)
        return Field(name, self._reader(parent, definition, details), column)

    def _reader(
        self, parent: GraphQLObjectType, definition: GraphQLField, details: FieldDetailsList
    ) -> Reader | Call:
        field = definition.extensions.get(_DEFINITION)
        if not isinstance(field, StrawberryField) or field.extensions:
            raise NotPlannedError(f"{parent.name}.{details[0].node.name.value}")
        if field.is_basic_field:
            return Attribute(field.python_name)
        return Call(self._resolver(parent, details[0].node.name.value, definition, details))

    def _note_columns(self, parent: GraphQLObjectType, definition: GraphQLField) -> None:
        needed = columns_of_field(parent.extensions[_DEFINITION].origin, definition.extensions[_DEFINITION])
        if needed is None:
            return
        noted = self._columns.setdefault(needed.model, set())
        if needed.columns is None:
            self._columns[needed.model] = None
        elif noted is not None:
            noted.update(needed.columns)


def _classes_of(type_: GraphQLObjectType) -> frozenset[type]:
    """Return the classes of the type's objects. Those of a generic type are not the type's own."""
    definition = type_.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.is_type_of:
        raise NotPlannedError(type_.name)
    generic = definition.concrete_of
    return frozenset({definition.origin} | ({generic.origin} if generic else set()))


def _check(details: FieldDetailsList) -> None:
    if any(item.defer_usage or item.fragment_variable_values for item in details):
        raise NotPlannedError("@defer or variables of a fragment")
