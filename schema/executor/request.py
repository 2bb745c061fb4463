"""One run of a plan, and the two ways in which graphql-core takes over."""

from collections.abc import Callable
from typing import Any, TypeVar

from graphql.execution.values import VariableValues

from schema.bounded_executor import BoundedExecutor

T = TypeVar("T")


class NotPlannedError(Exception):
    """The operation has a part that no plan covers: graphql-core runs it."""


class DiscardedError(Exception):
    """A value is not as the plan expects: the result is discarded, and graphql-core runs the operation."""


class Request:
    """One run of a plan: what its fields are given, and what is left of the limits of the reply.

    The limits are counted as `BoundedExecutor` counts them, so that both accept the same replies.
    `alone` is true as long as nothing else uses the loaders of the context at the same time.
    `build` makes graphql-core's executor of the operation, which few runs need.
    """

    __slots__ = (
        "_executor",
        "_prepared",
        "alone",
        "build",
        "bytes_left",
        "context",
        "root",
        "values_left",
        "variables",
    )

    def __init__(
        self,
        context: Any,
        root: Any,
        variables: VariableValues,
        left: tuple[int, int],
        build: Callable[[], BoundedExecutor],
        *,
        alone: bool = False,
    ) -> None:
        self.context = context
        self.root = root
        self.variables = variables
        self.values_left, self.bytes_left = left
        self.alone = alone
        self.build = build
        self._executor: BoundedExecutor | None = None
        self._prepared: dict[int, Any] = {}

    @classmethod
    def of(cls, executor: BoundedExecutor) -> "Request":
        """Return the run of an operation whose executor is built already."""
        return cls(
            executor.context_value,
            executor.root_value,
            executor.variable_values,
            executor.left,
            lambda: executor,
        )

    @property
    def executor(self) -> BoundedExecutor:
        """Return graphql-core's executor of the operation."""
        if self._executor is None:
            self._executor = self.build()
        return self._executor

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
