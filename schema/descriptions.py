"""Descriptions of the printed schema, taken from the docstrings of the Python types."""

import inspect
from typing import Any

from graphql import GraphQLEnumType, GraphQLNamedType, GraphQLSchema
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.enum import StrawberryEnumDefinition
from strawberry.types.field import StrawberryField


def add_descriptions(schema: GraphQLSchema) -> None:
    """Give every type and field without a description the docstring of its class or resolver."""
    for type_ in schema.type_map.values():
        definition = type_.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(definition, StrawberryObjectDefinition):
            _describe_object(type_, definition)
        elif isinstance(definition, StrawberryEnumDefinition):
            assert isinstance(type_, GraphQLEnumType)
            type_.description = type_.description or inspect.getdoc(definition.wrapped_cls)


def _describe_object(type_: GraphQLNamedType, definition: StrawberryObjectDefinition) -> None:
    type_.description = type_.description or inspect.getdoc(definition.origin)
    fields: dict[str, Any] = getattr(type_, "fields", {})
    for field in fields.values():
        source = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if isinstance(source, StrawberryField) and source.base_resolver:
            field.description = field.description or inspect.getdoc(source.base_resolver.wrapped_func)
