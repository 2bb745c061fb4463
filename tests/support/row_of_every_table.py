"""A row in every protected table for one workspace, whatever tables there are."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine

from models import tables
from models.ids import new_id
from models.row_security import EXEMPT

# Their ids of other rows are no foreign keys.
_LAST = {"analytics_changes", "audit_refusals"}
# Columns that name a workspace or a conversation without a foreign key.
_OF_WORKSPACE = {("log", "stream"), ("streams", "id"), ("idempotency_keys", "scope_id")}
_KINDS: dict[type[Any], Any] = {
    Boolean: False,
    Date: date(2026, 1, 1),
    DateTime: datetime(2026, 1, 1, tzinfo=UTC),
    LargeBinary: b"x",
    ARRAY: [],
    JSONB: {},
    Text: "x",
    Float: 1.0,
    BigInteger: 1,
    Integer: 1,
}

# The values of one row by the names of columns.
Row = dict[str, Any]


async def add_rows(owner_url: str, workspace_id: UUID) -> dict[str, Row]:
    """Insert a row of the workspace into every table with a policy, and return the rows by table."""
    engine = create_async_engine(owner_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    rows: dict[str, Row] = {}
    try:
        async with engine.connect() as connection:
            for table in sorted(tables.Base.metadata.sorted_tables, key=lambda table: table.name in _LAST):
                if table.name in EXEMPT:
                    continue
                row = rows[table.name] = _row(table, rows, workspace_id)
                await connection.execute(table.insert().values(row))
            await connection.commit()
    finally:
        await engine.dispose()
    return rows


def _row(table: Table, rows: dict[str, Row], workspace_id: UUID) -> Row:
    values = {column.name: _value(table, column, rows, workspace_id) for column in table.columns}
    return {name: value for name, value in values.items() if value is not None}


def _value(table: Table, column: Column[Any], rows: dict[str, Row], workspace_id: UUID) -> Any:
    if column.computed is not None or column.identity is not None:
        return None
    if (table.name, column.name) == ("workspaces", "id") or column.name == "workspace_id":
        return workspace_id
    if (table.name, column.name) in _OF_WORKSPACE:
        return workspace_id
    for key in column.foreign_keys:
        if not column.nullable:
            return rows[key.column.table.name][key.column.name]
    if column.nullable:
        return None
    if isinstance(column.type, Uuid):
        return _id(column, rows)
    if column.default is not None or column.server_default is not None:
        return None
    return _of_kind(column, workspace_id)


def _id(column: Column[Any], rows: dict[str, Row]) -> UUID:
    parent = rows.get(column.name.removesuffix("_id") + "s")
    return parent["id"] if parent else new_id()


def _of_kind(column: Column[Any], workspace_id: UUID) -> Any:
    if isinstance(column.type, Enum):
        return column.type.enums[0]
    value = next(value for kind, value in _KINDS.items() if isinstance(column.type, kind))
    # Hashes are unique in all workspaces.
    return workspace_id.bytes if value == b"x" else value
