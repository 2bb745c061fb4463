"""Rows as plain objects, which belong to no session.

SQLAlchemy runs Python for each attribute that is read or set, and keeps a state for each object. A plain row
has the attributes and properties of its model, and nothing else. A row that is only read is the driver's
record itself, with these attributes: nothing is made for it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, ClassVar, TypeVar, cast

import asyncpg
from sqlalchemy import Computed

from models.base import Base
from models.write_statement import columns_of

M = TypeVar("M", bound=Base)

Reader = Callable[[Any], Any]


class ReadOnlyRowError(RuntimeError):
    """A row that was read without a session was added to one, which would insert it again."""

    def __init__(self, row: object) -> None:
        super().__init__(f"{type(row).__name__} was read without a session and cannot be written")


def _refuse_session(row: object) -> Any:
    raise ReadOnlyRowError(row)


# A session asks for this first.
_STATE = {"_sa_instance_state": property(_refuse_session)}


class PlainRow:
    """A row of a table, with its columns as attributes."""

    model: ClassVar[type[Base]]
    _sa_instance_state = _STATE["_sa_instance_state"]


def plain_maker(model: type[Base], names: Sequence[str]) -> Callable[[Sequence[Any]], PlainRow]:
    """Return a function that makes a row of the values of these columns."""
    blank = _plain_class(model)

    def make(values: Sequence[Any]) -> PlainRow:
        row = blank()
        row.__dict__ = dict(zip(names, values, strict=True))
        return row

    return make


@cache
def _plain_class(model: type[Base]) -> type[PlainRow]:
    """Return the class of a model's plain rows: it has the model's own properties.

    Values that the database computes are None until the row is read.
    """
    members: dict[str, Any] = dict.fromkeys(
        key for key, column in columns_of(model).items() if isinstance(column.server_default, Computed)
    )
    return type(model.__name__, (PlainRow,), {**members, **_own(model), "model": model})


def record_class(model: type[Base], columns: Mapping[str, tuple[int, Reader | None]]) -> type[asyncpg.Record]:
    """Return a class of records that are rows: columns by their place, with a reader of enums."""
    attributes = {name: property(_getter(*column)) for name, column in columns.items()}
    return type(model.__name__, (asyncpg.Record,), {**_own(model), **_STATE, **attributes, "__slots__": ()})


def _getter(place: int, reader: Reader | None) -> Reader:
    return (lambda record: reader(record[place])) if reader else itemgetter(place)


def _own(model: type[Base]) -> dict[str, Any]:
    """Return what rows of every kind have of their model: its properties."""
    properties = {name: member for name, member in vars(model).items() if isinstance(member, property)}
    return {**properties, "__doc__": model.__doc__}


def model_of(row: Base | PlainRow) -> type[Base]:
    """Return the model of a row."""
    return row.model if isinstance(row, PlainRow) else type(row)


def new_row(model: type[M], **values: Any) -> M:
    """Return a new row for the ledger, with the defaults of its columns. The database makes computed values.

    Raises TypeError for a name that is no column, and for a missing value that has no default in Python.
    """
    defaults, required = _defaults(model)
    if values.keys() - columns_of(model).keys() or required - values.keys():
        raise TypeError(f"{model.__name__} has other columns than {sorted(values)}")
    row = _plain_class(model)()
    made = {key: make() for key, make in defaults.items() if key not in values}
    row.__dict__ = made | values
    return cast(M, row)


@cache
def _defaults(model: type[Base]) -> tuple[dict[str, Callable[[], Any]], set[str]]:
    """Return what makes the values of columns that are not given, and the names of those that must be."""
    made, required = {}, set()
    for key, column in columns_of(model).items():
        if column.default is not None or column.server_default is None:
            made[key] = _maker(column)
        elif not isinstance(column.server_default, Computed):
            required.add(key)
    return made, required


def _maker(column: Any) -> Callable[[], Any]:
    if column.default is None:
        return lambda: None
    argument = column.default.arg
    return (lambda: argument(None)) if column.default.is_callable else (lambda: argument)
