"""Operations, as clients send them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolvers.errors import BadInputError, BatonError, ErrorCode


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, the values of its variables, and the name of its operation, unless it has only one."""

    query: str
    variables: Mapping[str, Any] | None
    name: str | None
    read_only: bool = False


class MutationByGetError(BatonError):
    """A mutation that came by GET, which must not change anything."""

    code = ErrorCode.BAD_USER_INPUT

    def __init__(self) -> None:
        super().__init__("GET answers queries only: send a mutation by POST.")


class PersistedQueryNotSupportedError(BatonError):
    """A hash in place of a document. Clients expect exactly this message, and send the document then."""

    code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


def read_operation(payload: object, *, read_only: bool = False) -> Operation:
    """Check decoded JSON; raise BadInputError or PersistedQueryNotSupportedError."""
    if not isinstance(payload, dict):
        raise BadInputError("payload", "is not an object with a query")
    query, variables, name = map(payload.get, ("query", "variables", "operationName"))
    extensions = payload.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadInputError("extensions", "is not an object")
    if not query and "persistedQuery" in (extensions or {}):
        raise PersistedQueryNotSupportedError
    if not isinstance(query, str) or not query.strip():
        raise BadInputError("query", "is missing: send a GraphQL document")
    if variables is not None and not isinstance(variables, dict):
        raise BadInputError("variables", "is not an object")
    if name is not None and not isinstance(name, str):
        raise BadInputError("operationName", "is not a string")
    return Operation(query, variables, name or None, read_only)
