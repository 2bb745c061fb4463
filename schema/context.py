"""The context of a GraphQL operation, and batched look-ups for its fields."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry.utils.await_maybe import AwaitableOrValue

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.errors import BadInputError, ForbiddenError, UnauthenticatedError
from resolvers.pagination import PageRequest
from rules.typeid import MalformedIdError, parse_id
from schema.lookups import Batch, Loader, PageBatch, PageReader, Relation, finish

T = TypeVar("T")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(eq=False)
class GraphQLContext(Context):
    """The context of one operation.

    Its loaders and its time belong to one event of a subscription or to one mutation: `reset` clears them.
    `relations` has those that fields have used, which belong to the loaders.
    `session_token` is the cookie for the response: a token, an empty string to delete it, or None.
    `device_token` is the device cookie for the response, or None.
    """

    session_token: str | None = None
    device_token: str | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    relations: dict[Any, Relation[Any, Any]] = field(default_factory=dict)
    _loaders: dict[Any, Loader[Any]] = field(default_factory=dict)
    _pages: dict[Any, PageBatch[Any]] = field(default_factory=dict)
    _acting: Actor | None = None

    @classmethod
    def of(cls, context: Context) -> "GraphQLContext":
        """Return a context with loaders of its own for the same call, and the same record."""
        return cls(
            context.services,
            context.caller,
            context.address,
            origin=context.origin,
            device_cookie=context.device_cookie,
            user_agent=context.user_agent,
            replay_clock=context.replay_clock,
            live=context.live,
            record=context.record,
        )

    @property
    def actor(self) -> Actor:
        """The caller, or the one whom the payload of the current mutation is for."""
        # Read for every object: a call of super() takes as long as all the rest.
        actor = self._acting or self.caller
        if actor is None:
            raise UnauthenticatedError
        return actor

    def acts_as(self, actor: Actor) -> None:
        """Let the payload of the current mutation show what `actor` may see."""
        self._acting = actor
        self.services = self.services.of_workspace(actor.workspace_id)

    @property
    def for_team(self) -> bool:
        """True if objects are shown as the team sees them, false for a customer."""
        # Read for every object, as `actor`.
        actor = self._acting or self.caller
        if actor is None:
            raise UnauthenticatedError
        return actor.kind is not ActorKind.CUSTOMER

    def require_signed_in(self) -> None:
        """Raise UnauthenticatedError before any input is validated."""
        _ = self.actor

    def parse_global_id(self, prefix: str, text: str, name: str) -> UUID:
        """Return the UUID of a TypeID in the input `name`; raise BadInputError."""
        self.require_signed_in()
        return self.parse_public_id(prefix, text, name)

    def parse_public_id(self, prefix: str, text: str, name: str) -> UUID:
        """Return the UUID of a TypeID in the input `name` of a caller without a credential."""
        try:
            return parse_id(prefix, text)
        except MalformedIdError as error:
            raise BadInputError(name, str(error)) from None

    def reset(self, *instants: datetime) -> None:
        """Clear the loaded rows and set `now` to the current time, no earlier than `instants`."""
        self.now = max((datetime.now(UTC), *instants))
        if self._acting is not None:
            self._acting = None
            self.services = self.services.of_workspace(self.caller.workspace_id if self.caller else None)
        self.forget_rows()

    def forget_rows(self) -> None:
        """Clear the loaded rows."""
        self._loaders.clear()
        self.relations.clear()

    def loader(self, batch: Batch[T]) -> Loader[T]:
        """Return the loader of the batch's rows."""
        loader = self._loaders.get(batch)
        if loader is None:
            loader = self._loaders[batch] = Loader(self, batch)
        return loader

    async def load(self, batch: Batch[T], key: UUID) -> T | None:
        """Return the row of `key`, loaded in one batch with those of the operation's other fields."""
        return await self.loader(batch).load(key)

    async def load_all(self, batch: Batch[T], keys: Collection[UUID]) -> list[T | None]:
        """Return the rows of the keys, in their order."""
        loader = self.loader(batch)
        await finish(loader.request(keys))
        return [loader.rows[key] for key in keys]

    def look_up(self, batch: Batch[T], key: UUID, build: Callable[[T | None], R]) -> AwaitableOrValue[R]:
        """Return what `build` makes of the row of `key`: an awaitable, unless the row is loaded already."""
        return Relation(self.loader(batch), build).look_up(key)

    def look_up_page(
        self, read: PageReader[T], key: UUID, request: tuple[Any, ...], build: Callable[[T], R]
    ) -> AwaitableOrValue[R]:
        """Return what `build` makes of a page of the row's list, for the arguments of a `PageRequest`."""
        batch = self._pages.get((read, request))
        if batch is None:
            batch = self._pages[read, request] = PageBatch(read, PageRequest(*request))
        # A batch of pages finds one for every key.
        return self.look_up(batch, key, cast("Callable[[T | None], R]", build))


Info = strawberry.Info[GraphQLContext, None]


def sync_or_async_field(type_: Any, metadata: dict[str, Any] | None = None) -> Callable[[F], F]:
    """Declare a field whose resolver returns a value or an awaitable, which no annotation can express."""
    return cast("Callable[[F], F]", strawberry.field(graphql_type=type_, metadata=metadata))


def parse_global_id(info: Info, prefix: str, text: str, name: str) -> UUID:
    """Return the UUID of a TypeID in the input `name`; raise BadInputError."""
    return info.context.parse_global_id(prefix, text, name)


def forbidden_to_customers() -> Any:
    """Return the value of a non-null field that is hidden from customers. Executing it gives FORBIDDEN."""
    return ForbiddenError("This field is not for customers.")
