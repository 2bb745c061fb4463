"""Look-ups by one key or several, compiled once."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVarTuple

from sqlalchemy import ARRAY, Select, any_, bindparam
from sqlalchemy.orm import InstrumentedAttribute

from models.compiled_select import EVERYTHING, CompiledSelect, Shown
from models.database import Database

Ts = TypeVarTuple("Ts")


class CompiledLookUp(Generic[*Ts]):
    """A select of rows with one of some keys in a column.

    One key has a statement of its own. PostgreSQL keeps its plan, but makes one for each array: it assumes
    that an array has ten elements, and a plan for one element seems cheaper.
    """

    def __init__(self, statement: Select[*Ts], column: InstrumentedAttribute[Any]) -> None:
        single_key = bindparam("key", type_=column.type)
        any_key = any_(bindparam("keys", type_=ARRAY(column.type)))
        self._one = CompiledSelect(statement.where(column == single_key))
        self._several = CompiledSelect(statement.where(column == any_key))

    async def rows(
        self, database: Database, keys: Sequence[Any], shown: Shown = EVERYTHING, **values: Any
    ) -> list[tuple[*Ts]]:
        """Return the rows that have one of these keys, with the shown columns, in the order of the select."""
        if len(keys) == 1:
            return await self._one.showing(shown).rows(database, key=keys[0], **values)
        return await self._several.showing(shown).rows(database, keys=keys, **values)
