"""Values in the form that asyncpg takes: SQLAlchemy's conversions, without a session."""

from collections.abc import Callable
from typing import Any, cast

import orjson
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.types import TypeEngine

# Converts a value for a column or parameter.
Writer = Callable[[Any], Any]


def json_text(value: Any) -> str:
    """Return the JSON that is stored for a value."""
    return orjson.dumps(value, default=str).decode()


# SQLAlchemy's dialects have constructors without types.
DIALECT = cast(Any, dialect)(json_serializer=json_text)


def writer_of(type_: TypeEngine[Any]) -> Writer | None:
    """Return the conversion of values of a type, or None if asyncpg takes them as they are."""
    implementation = type_.dialect_impl(DIALECT)
    return cast("Writer | None", implementation.bind_processor(DIALECT))
