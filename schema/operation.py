"""Operations, as clients send them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resolvers.context import Services
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
    """An unknown hash in place of a document. Clients expect this message, and send the document then."""

    code = ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotSupported")


def read_operation(payload: object, services: Services, *, read_only: bool = False) -> Operation:
    """Check decoded JSON; raise BadInputError or PersistedQueryNotSupportedError.

    The hash of a persisted query is the id of a trusted document.
    """
    if not isinstance(payload, dict):
        raise BadInputError("payload", "is not an object with a query; send one operation at a time")
    query, variables, name = map(payload.get, ("query", "variables", "operationName"))
    extensions = payload.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadInputError("extensions", "is not an object")
    if not query and extensions and "persistedQuery" in extensions:
        query = _persisted_query(extensions["persistedQuery"], services)
    if not isinstance(query, str) or not query.strip():
        raise BadInputError("query", "is missing: send a GraphQL document")
    if variables is not None and not isinstance(variables, dict):
        raise BadInputError("variables", "is not an object")
    if name is not None and not isinstance(name, str):
        raise BadInputError("operationName", "is not a string")
    return Operation(query, variables, name or None, read_only)


def _persisted_query(persisted: object, services: Services) -> str:
    hash_ = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    text = services.trusted_documents.texts.get(hash_) if isinstance(hash_, str) else None
    if text is None:
        raise PersistedQueryNotSupportedError
    return text
