"""Fields that are made of the columns of a row when they are read.

A list shows few of the fields that its objects have. So an object holds its row, and makes nothing else:

    @row_type(MessageRow)
    @strawberry.type
    class Message(Node):
        row: strawberry.Private[MessageRow]
        for_team: strawberry.Private[bool]
        content: str = row_field()
        intents: list[str] = row_field(hidden=list)

A plan of `schema.executor` reads which columns its fields need. Ids, the columns that end in `id`, are always
read, except for `workspace_id`. A field that names no columns needs all of them.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import strawberry
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

C = TypeVar("C", bound=type)
Make = Callable[[Any], Any]

_DECLARED = "row_field"
_ROW = "__row_model__"


class _Declared(NamedTuple):
    """A declaration: the maker of a field, the columns that it needs, and its maker for customers, if any."""

    make: Make | None = None
    columns: tuple[str, ...] = ()
    hidden: Callable[[], Any] | None = None


def row_field(make: Make | None = None, *columns: str, hidden: Callable[[], Any] | None = None) -> Any:
    """Declare a field that `make` makes of the object, and the columns of the row that it needs.

    Without `make`, the field is the column of its own name. With `hidden`, customers get the result of that;
    the object's attribute `for_team` is false for them.
    """
    declared = strawberry.field(metadata={_DECLARED: _Declared(make, columns, hidden)})
    # It is no argument of the class.
    declared.init = declared.repr = declared.compare = False
    return declared


def needs(*columns: str) -> dict[str, Any]:
    """Return the metadata of another field, such as one with a resolver: it needs these columns, and ids."""
    return {_DECLARED: _Declared(columns=columns)}


def row_type(model: type[Any] | None) -> Callable[[C], C]:
    """Give a type the fields that it declares by `row_field`; None is a type without a row of its own."""

    def complete(type_: C) -> C:
        definition: StrawberryObjectDefinition = vars(type_)["__strawberry_definition__"]
        for field in definition.fields:
            if _is_row_field(field):
                setattr(type_, field.python_name, property(_reader(field)))
        setattr(type_, _ROW, model)
        return type_

    return complete


def _is_row_field(field: StrawberryField) -> bool:
    return _DECLARED in field.metadata and field.is_basic_field and not field.init


def _reader(field: StrawberryField) -> Make:
    declared: _Declared = field.metadata[_DECLARED]
    make, hidden = declared.make or attrgetter(f"row.{field.python_name}"), declared.hidden
    if hidden is None:
        return make
    return lambda self: make(self) if self.for_team else hidden()


class ShownColumns(NamedTuple):
    """The columns of a model that a field needs; `columns` is None for all of them."""

    model: type[Any]
    columns: tuple[str, ...] | None


def columns_of_field(type_: type[Any], field: StrawberryField) -> ShownColumns | None:
    """Return what a field of a type needs of its row, or None if the type has no row."""
    model = getattr(type_, _ROW, None)
    if model is None:
        return None
    declared: _Declared | None = field.metadata.get(_DECLARED)
    if declared is None:
        return ShownColumns(model, None)
    is_column = _is_row_field(field) and declared.make is None
    return ShownColumns(model, (field.python_name,) if is_column else declared.columns)
