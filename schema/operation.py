"""What a client asks to be run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolvers.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, the values of its variables, and which of its operations is meant."""

    query: str
    variables: Mapping[str, Any] | None
    name: str | None


def read_operation(payload: object) -> Operation:
    """Reads what a client sent, as JSON decoded it; raises BadInputError."""
    if not isinstance(payload, dict):
        raise BadInputError("payload", "is not an object with a query")
    query, variables, name = (payload.get(one) for one in ("query", "variables", "operationName"))
    if not isinstance(query, str) or not query.strip():
        raise BadInputError("query", "is missing: send a GraphQL document")
    if variables is not None and not isinstance(variables, dict):
        raise BadInputError("variables", "is not an object")
    if name is not None and not isinstance(name, str):
        raise BadInputError("operationName", "is not a string")
    return Operation(query, variables, name or None)
