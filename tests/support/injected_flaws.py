"""Failures in the schema's fields: resolvers that raise, nulls, and values of other types.

Whether a field of an object fails depends on its name, its object and the seed only. So it fails in the same
way in every execution.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from random import Random
from typing import Any, cast

import pytest
from graphql import is_object_type
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from resolvers.errors import NotFoundError
from schema.api import GRAPHQL_SCHEMA
from schema.conversation.message import Message
from schema.conversation.types import Conversation
from schema.escalation.sla import Sla
from schema.escalation.types import Escalation
from schema.team.member import TeamMember

_MADE_OF_ROWS = (Conversation, Escalation, Message, Sla, TeamMember)


class Flaws:
    """Failures that are in force while `seed` is not None, in single objects or in all of a type."""

    seed: int | None = None
    by_object: bool = True
    rate: float = 0.06

    def of(self, name: str, source: Any) -> Random | None:
        """Return a source of randomness if the field of this object fails."""
        if self.seed is None:
            return None
        of = getattr(source, "id", "") if self.by_object else ""
        random = Random(f"{self.seed} {name} {of}")
        return random if random.random() < self.rate else None

    def value(self, random: Random) -> Any:
        """Return a value that the field should not have, or raise an error."""
        kind = random.randrange(6)
        if kind == 0:
            raise NotFoundError("row")
        if kind == 1:
            raise ZeroDivisionError("injected")
        return (None, [None, 1], "text", ValueError("a value that is an error"))[kind - 2]

    def wrap(self, name: str, resolve: Callable[..., Any]) -> Callable[..., Any]:
        """Return a resolver that may fail."""
        if iscoroutinefunction(resolve):

            @wraps(resolve)
            async def resolve_async(*given: Any, **arguments: Any) -> Any:
                random = self.of(name, given[0] if given else None)
                return self.value(random) if random else await resolve(*given, **arguments)

            return resolve_async

        @wraps(resolve)
        def resolve_now(*given: Any, **arguments: Any) -> Any:
            random = self.of(name, given[0] if given else None)
            return self.value(random) if random else resolve(*given, **arguments)

        return resolve_now

    def spoil(self, name: str, read: property) -> property:
        """Return a property that for some objects has another value."""

        def spoilt(built: Any) -> Any:
            random = self.of(name, built)
            if random:
                return random.choice((None, 17, "text", [], ValueError("spoilt")))
            return read.__get__(built)

        return property(spoilt)


@contextmanager
def injected_flaws() -> Iterator[Flaws]:
    """Let the fields of all objects, and those made of rows of the usual types, fail while a seed is set."""
    flaws = Flaws()
    with pytest.MonkeyPatch.context() as patch:
        for name, resolver in _resolvers():
            wrapped = flaws.wrap(name, cast("Callable[..., Any]", resolver.wrapped_func))
            patch.setattr(resolver, "wrapped_func", wrapped)
        for type_ in _MADE_OF_ROWS:
            for name, member in list(vars(type_).items()):
                if isinstance(member, property) and name != "id":
                    patch.setattr(type_, name, flaws.spoil(name, member))
        yield flaws


def _resolvers() -> Iterator[tuple[str, StrawberryResolver[Any]]]:
    """Yield the resolvers of all fields but those of mutations and subscriptions."""
    for type_ in GRAPHQL_SCHEMA.type_map.values():
        if not is_object_type(type_) or type_.name in {"Mutation", "Subscription"}:
            continue
        for name, definition in type_.fields.items():
            field = definition.extensions.get("strawberry-definition")
            if isinstance(field, StrawberryField) and field.base_resolver:
                yield f"{type_.name}.{name}", field.base_resolver
