"""Selects of lists: their conditions are written once, and each combination of them is compiled once.

A request names the conditions of its filter and gives their values. SQLAlchemy builds a select only for a
combination that is not known yet.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ARRAY, BindParameter, ColumnElement, Select, any_, bindparam

from resolvers.visibility import Visibility

T = TypeVar("T")


class Condition(NamedTuple):
    """A condition: a function and its arguments, which decide its SQL, and the values of its parameters."""

    make: Callable[..., ColumnElement[bool]]
    given: tuple[Any, ...] = ()
    values: Mapping[str, Any] = {}


def equals(model: type[Any], column: str, value: Any) -> Condition:
    """Return the condition that a column has a value."""
    return Condition(_equals, (model, column), {column: value})


def _equals(model: type[Any], column: str) -> Any:
    return getattr(model, column) == bindparam(column)


def is_among(model: type[Any], column: str, values: Sequence[Any]) -> Condition:
    """Return the condition that a column has one of the values; with IN, each number of them is other SQL."""
    return Condition(_is_among, (model, column), {column: list(values)})


def _is_among(model: type[Any], column: str) -> Any:
    attribute = getattr(model, column)
    return attribute == any_(bindparam(column, type_=ARRAY(attribute.type)))


def is_null(model: type[Any], column: str, null: bool) -> Condition:
    """Return the condition that a column is null, or that it is not."""
    return Condition(_is_null, (model, column, null))


def _is_null(model: type[Any], column: str, null: bool) -> Any:
    attribute = getattr(model, column)
    return attribute.is_(None) if null else attribute.is_not(None)


def in_period(model: type[Any], column: str, begin: datetime | None, end: datetime | None) -> list[Condition]:
    """Return the conditions that a time is in a period whose end is exclusive; None is no limit."""
    limits = {f"{column}_begin": begin, f"{column}_end": end}
    return [
        Condition(_is_within, (model, column, name), {name: limit})
        for name, limit in limits.items()
        if limit is not None
    ]


def _is_within(model: type[Any], column: str, limit: str) -> Any:
    value: BindParameter[datetime] = bindparam(limit)
    attribute = getattr(model, column)
    return attribute >= value if limit.endswith("_begin") else attribute < value


@dataclass(frozen=True, slots=True)
class ListSelect(Generic[T]):
    """The rows of a list: those that a caller may see, and the conditions of a filter."""

    model: type[T]
    rows: Callable[[Visibility], Select[T]]
    conditions: Sequence[Condition]

    @property
    def shape(self) -> Hashable:
        """The key of the SQL of the list, for one kind of callers."""
        return self.rows, *[condition[:2] for condition in self.conditions]

    @property
    def values(self) -> dict[str, Any]:
        """The values of the parameters of the conditions."""
        return {name: value for condition in self.conditions for name, value in condition.values.items()}

    def build(self, *, customer: bool) -> Select[T]:
        """Build the select for all callers of a kind."""
        conditions = [condition.make(*condition.given) for condition in self.conditions]
        return self.rows(Visibility.template(customer=customer)).where(*conditions)
