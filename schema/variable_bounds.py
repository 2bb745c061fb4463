"""Bounds of the values of variables, checked before anything else reads them.

`schema.executor.variables` checks the same bounds while it coerces values, and accepts none beyond them.

Values in a document are bounded by the document's own limits. JSON values have a bound of their own
(`rules.text.json_error`). Fields have narrower bounds, which their resolvers check.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    get_nullable_type,
    is_input_object_type,
    is_list_type,
    type_from_ast,
)

from resolvers.errors import BadInputError
from rules.text import CONTENT_LIMIT, NAME_LIMIT

# The longest list of the settings: holidays.
LIST_LIMIT = 1_000
TEXT_LIMIT = CONTENT_LIMIT
JSON = "JSON"


def oversized_values(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    values: Mapping[str, Any],
    argument_of_variable: Mapping[str, str],
) -> list[GraphQLError]:
    """Return an error for the first value that is longer than any field allows, or none.

    Ids, enum values and dates have at most 200 characters, texts 20,000, lists 1,000 items.
    """
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        type_ = type_from_ast(schema, definition.type)
        for path, fault in _faults(type_, values.get(name), (argument_of_variable.get(name, name),)):
            error = BadInputError(".".join(path), fault)
            return [GraphQLError(str(error), definition, original_error=error)]
    return []


def _faults(type_: Any, value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    plain = get_nullable_type(type_)
    if isinstance(value, str):
        limit = TEXT_LIMIT if plain is GraphQLString else NAME_LIMIT
        if len(value) > limit and getattr(plain, "name", "") != JSON:
            yield path, f"has {len(value):,} characters; at most {limit:,} are allowed"
    elif isinstance(value, list) and is_list_type(plain):
        if len(value) > LIST_LIMIT:
            yield path, f"has {len(value):,} items; at most {LIST_LIMIT:,} are allowed"
        for index, item in enumerate(value[:LIST_LIMIT]):
            yield from _faults(plain.of_type, item, (*path, str(index)))
    elif isinstance(value, dict) and is_input_object_type(plain):
        for name, item in value.items():
            if len(name) > NAME_LIMIT:
                yield path, f"has a field with a name of {len(name):,} characters, which does not exist"
            elif name in plain.fields:
                yield from _faults(plain.fields[name].type, item, (*path, name))
