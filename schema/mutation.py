"""The decorator of every field of Mutation."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import strawberry
from strawberry.extensions import FieldExtension

from schema.context import Info

F = TypeVar("F", bound=Callable[..., Any])


class FreshContext(FieldExtension):
    """A fresh context for each mutation of an operation, so that its payload shows its own changes."""

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **kwargs: Any
    ) -> Any:
        """Clear what earlier mutations of the operation have loaded, and run this one."""
        info.context.reset()
        return await next_(source, info, **kwargs)


def mutation(resolver: F) -> F:
    """Declare a field of Mutation.

    Its type must be nullable: a mutation that fails is null, and the payloads of the others stand.
    """
    return cast("F", strawberry.mutation(resolver=resolver, extensions=[FreshContext()]))


def deprecated_mutation(reason: str) -> Callable[[F], F]:
    """Declare a field of Mutation that clients should leave, for `reason`."""

    def declare(resolver: F) -> F:
        field = strawberry.mutation(resolver=resolver, extensions=[FreshContext()], deprecation_reason=reason)
        return cast("F", field)

    return declare
