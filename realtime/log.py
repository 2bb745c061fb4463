"""The event log, in commit order.

A writer takes its positions by adding to the stream's head, as the last step of its transaction. The row
lock on the head makes positions gapless and puts them in commit order. So a reader that asks for the
entries after a position can lose none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.compiled_look_up import CompiledLookUp
from models.compiled_select import CompiledSelect
from models.database import Database
from models.driver_values import json_text
from models.log import LogEntry, Stream
from models.write_statement import Append

PAGE = 500


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to append: its type, and ids as `data`."""

    type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log. `data` holds ids and enum values as strings."""

    stream: UUID
    position: int
    type: str
    data: Mapping[str, Any]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a stream: the position and time of its last entry."""

    stream: UUID
    position: int
    at: datetime


async def open_stream(session: AsyncSession, stream: UUID, at: datetime) -> None:
    """Create the empty stream of a new conversation or workspace."""
    await session.execute(insert(Stream).values(id=stream, head=0, head_at=at))


def append(stream: UUID, entries: Sequence[NewEntry], at: datetime) -> Append:
    """Return what appends `entries` to a stream. The stream stays locked until the transaction ends."""
    return Append(stream, len(entries), at, json_text([(entry.type, entry.data) for entry in entries]))


async def read(session: AsyncSession, stream: UUID, after: int, limit: int = PAGE) -> list[Entry]:
    """Return the entries after position `after`, in order, at most `limit` of them."""
    rows = await session.execute(
        select(LogEntry.stream, LogEntry.position, LogEntry.type, LogEntry.data, LogEntry.occurred_at)
        .where(LogEntry.stream == stream, LogEntry.position > after)
        .order_by(LogEntry.position)
        .limit(limit)
    )
    return [Entry(*row) for row in rows]


_READ = CompiledSelect(
    select(LogEntry)
    .where(LogEntry.stream == bindparam("stream"), LogEntry.position > bindparam("after"))
    .order_by(LogEntry.position)
    .limit(PAGE),
)


async def read_page(database: Database, stream: UUID, after: int) -> list[Entry]:
    """Return a page of committed entries after position `after`, through the query pool."""
    rows = await _READ.rows(database, stream=stream, after=after)
    return [Entry(row.stream, row.position, row.type, row.data, row.occurred_at) for (row,) in rows]


_HEADS = CompiledLookUp(select(Stream.id, Stream.head, Stream.head_at), Stream.id)


async def heads(database: Database, streams: Sequence[UUID]) -> list[Head]:
    """Return the heads of those of `streams` that exist."""
    return [Head(*row) for row in await _HEADS.rows(database, streams)]


_PLACE = CompiledSelect(
    select(Stream.head, Stream.head_at, LogEntry.occurred_at)
    .outerjoin(LogEntry, and_(LogEntry.stream == Stream.id, LogEntry.position == bindparam("position")))
    .where(Stream.id == bindparam("stream"))
)


async def head_and_time(database: Database, stream: UUID, position: int) -> tuple[Head, datetime | None]:
    """Return the head of a stream, and the time of its entry at `position`, if there is one."""
    ((head, head_at, occurred_at),) = await _PLACE.rows(database, stream=stream, position=position)
    return Head(stream, head, head_at), occurred_at
