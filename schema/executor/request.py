"""One run of a plan, and the two ways in which graphql-core takes over."""

from collections.abc import Callable
from typing import Any, TypeVar

from schema.bounded_executor import BoundedExecutor

T = TypeVar("T")


class NotPlannedError(Exception):
    """The operation has a part that no plan covers: graphql-core runs it."""


class DiscardedError(Exception):
    """A value is not as the plan expects: the result is discarded, and graphql-core runs the operation."""


class Request:
    """One run of a plan: its executor, and what is left of the limits of the reply.

    The limits are counted as `BoundedExecutor` counts them, so that both accept the same replies.
    """

    __slots__ = ("_prepared", "bytes_left", "executor", "values_left")

    def __init__(self, executor: BoundedExecutor) -> None:
        self.executor = executor
        self.values_left, self.bytes_left = executor.left
        self._prepared: dict[int, Any] = {}

    def spend(self, values: int, size: int) -> None:
        """Count values and bytes of the reply; raise DiscardedError when it is full."""
        self.values_left -= values
        self.bytes_left -= size
        if self.values_left < 0 or self.bytes_left < 0:
            raise DiscardedError("the reply is full")

    def prepared(self, owner: object, prepare: Callable[["Request"], T]) -> T:
        """Return what `prepare` made for this owner at its first use in this run."""
        prepared: T | None = self._prepared.get(id(owner))
        if prepared is None:
            prepared = self._prepared[id(owner)] = prepare(self)
        return prepared
