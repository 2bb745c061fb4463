"""The answer to the standard introspection query, printed once for the process.

Executing the query takes far longer than any other that is allowed, and the answer never changes.
"""

from functools import cache
from typing import Any

from graphql import get_introspection_query, graphql_sync, parse

from schema.api import GRAPHQL_SCHEMA
from schema.trusted_documents import digest_of

_QUERY = get_introspection_query()
_STANDARD = digest_of(parse(_QUERY))


def printed_introspection(digest: str) -> dict[str, Any] | None:
    """Return the data of the standard introspection query, if the digest is that of the query."""
    return _data() if digest == _STANDARD else None


@cache
def _data() -> dict[str, Any]:
    result = graphql_sync(GRAPHQL_SCHEMA, _QUERY)
    assert result.data is not None
    return result.data
