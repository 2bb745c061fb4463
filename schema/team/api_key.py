"""API keys."""

from datetime import datetime

import strawberry

from models.api_key import ApiKey as ApiKeyRow
from resolvers.api_key import api_key_by_id
from rules import typeid
from rules.roles import Scope
from rules.typeid import format_id
from schema.context import GraphQLContext
from schema.nodes import Node, node


@node(typeid.API_KEY, "API key", api_key_by_id)
@strawberry.type
class ApiKey(Node):
    """A key of an integrator or an AI agent's back end."""

    name: str
    """Name that an administrator gave it."""
    prefix: str
    """Start of the key, enough to recognise it. The key itself is shown once, when it is created."""
    scopes: list[Scope]
    """Scopes of the key."""
    created_at: datetime
    """Time of its creation."""
    last_used_at: datetime | None
    """Time of its last use, to the minute or so; null if it was never used."""
    revoked_at: datetime | None
    """Time of its revocation; null while it is valid."""

    @classmethod
    def of(cls, row: ApiKeyRow, _: GraphQLContext) -> "ApiKey":
        """Build the type from a row."""
        return cls(
            id=strawberry.ID(format_id(typeid.API_KEY, row.id)),
            name=row.name,
            prefix=row.prefix,
            scopes=[Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
        )


@strawberry.input
class CreateApiKeyInput:
    """A new key."""

    name: str
    """Name of the key."""
    scopes: list[Scope]
    """Scopes of the key."""


@strawberry.type
class CreateApiKeyPayload:
    """The key, shown this once."""

    api_key: ApiKey
    """The new API key."""
    key: str
    """The key itself, shown this once."""
