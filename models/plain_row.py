"""Rows as plain objects, which belong to no session.

SQLAlchemy runs Python for each attribute that is read or set, and keeps a state for each object. A plain row
has the attributes and properties of its model, and nothing else.
"""

from functools import cache
from typing import Any, ClassVar

from models.base import Base


class ReadOnlyRowError(RuntimeError):
    """A row that was read without a session was added to one, which would insert it again."""

    def __init__(self, row: object) -> None:
        super().__init__(f"{type(row).__name__} was read without a session and cannot be written")


class PlainRow:
    """A row of a table, with its columns as attributes."""

    model: ClassVar[type[Base]]

    @property
    def _sa_instance_state(self) -> Any:
        # A session asks for this first.
        raise ReadOnlyRowError(self)


@cache
def plain_class(model: type[Base]) -> type[PlainRow]:
    """Return the class of a model's plain rows: it has the model's own properties."""
    properties = {name: member for name, member in vars(model).items() if isinstance(member, property)}
    return type(model.__name__, (PlainRow,), {**properties, "model": model, "__doc__": model.__doc__})


def model_of(row: Base | PlainRow) -> type[Base]:
    """Return the model of a row."""
    return row.model if isinstance(row, PlainRow) else type(row)
