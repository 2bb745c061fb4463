"""API keys."""

from datetime import datetime
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from models.api_key import ApiKey as ApiKeyRow
from resolvers.api_key import NewApiKey, api_key_by_id, default_key_end
from rules import typeid
from rules.roles import Scope
from rules.typeid import format_id
from schema.context import GraphQLContext, Info, sync_or_async_field
from schema.nodes import Node, load_optional_node, node
from schema.team.member import TeamMember


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
    last_address: str | None
    """Network address of its last use."""
    networks: list[str]
    """Networks in CIDR notation from which it is valid; if empty, it is valid from everywhere."""
    expires_at: datetime | None
    """End of the key; null if it does not end by itself."""
    revoked_at: datetime | None
    """Time of its revocation; null while it is valid."""

    owner_key: strawberry.Private[UUID | None]

    @sync_or_async_field(TeamMember | None)
    def owner(self, info: Info) -> AwaitableOrValue[TeamMember | None]:
        """Team member who created it; null if a program or the operator did."""
        return load_optional_node(info, typeid.MEMBER, self.owner_key)

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
            last_address=row.last_address,
            networks=row.networks,
            expires_at=row.expires_at,
            owner_key=row.owner_id,
            revoked_at=row.revoked_at,
        )


@strawberry.input
class CreateApiKeyInput:
    """A new key."""

    name: str
    """Name of the key."""
    scopes: list[Scope]
    """Scopes of the key."""
    expires_at: datetime | None = strawberry.UNSET
    """End of the key. One year from now if it is omitted; null makes a key that does not end by itself."""
    networks: list[str] = strawberry.field(default_factory=list)
    """Networks in CIDR notation, such as 192.0.2.0/24, at most 50. The key is valid only from them."""

    def to_new(self) -> NewApiKey:
        """Return the input of the resolver."""
        ends = default_key_end() if self.expires_at is strawberry.UNSET else self.expires_at
        return NewApiKey(self.name, self.scopes, ends, self.networks)


@strawberry.type
class RotateApiKeyPayload:
    """The key in the place of another one, shown this once."""

    api_key: ApiKey
    """The new API key, with the name, scopes, networks and lifetime of the previous one."""
    previous: ApiKey
    """The previous API key, which ends after the overlap."""
    key: str
    """The new key itself, shown this once."""


@strawberry.type
class CreateApiKeyPayload:
    """The key, shown this once."""

    api_key: ApiKey
    """The new API key."""
    key: str
    """The key itself, shown this once."""
