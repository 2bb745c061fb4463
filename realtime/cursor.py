"""Cursors: a position in a stream of the log, opaque to clients."""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models.database import Database
from realtime import log

_FORM = struct.Struct(">16sqq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class StaleCursorError(Exception):
    """The cursor is not in this log: read the current state again and subscribe with its cursor."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in a stream and the time of its entry, which differs in a restored database."""

    stream: UUID
    position: int
    at: datetime

    def __str__(self) -> str:
        micros = (self.at - _EPOCH) // _MICROSECOND
        packed = _FORM.pack(self.stream.bytes, self.position, micros)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parse the text that `str` wrote; raises StaleCursorError for any other."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            stream, position, micros = _FORM.unpack(packed)
            return cls(UUID(bytes=stream), position, _EPOCH + timedelta(microseconds=micros))
        except (ValueError, binascii.Error, struct.error, OverflowError):
            raise StaleCursorError from None


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """The position at which a subscription begins.

    `after` is the last position that the client has, and `at` its entry's time. `head` and `head_at` are
    those of the stream's last entry when it was read.
    """

    stream: UUID
    after: int
    at: datetime
    head: int
    head_at: datetime


async def resolve_cursor(database: Database, stream: UUID, text: str | None) -> StreamPosition:
    """Return the position that a subscription of `stream` begins after; without a cursor it is the head.

    Raises StaleCursorError for a cursor that is unknown, of another stream, of a restored database or
    older than the log.
    """
    cursor = None if text is None else Cursor.parse(text)
    if cursor is not None and (cursor.stream != stream or cursor.position < 0):
        raise StaleCursorError
    # Position 0 is before the first entry, which must not have been purged.
    position = max(cursor.position, 1) if cursor else 0
    head, occurred_at = await log.head_and_time(database, stream, position)
    if cursor is None:
        return StreamPosition(stream, head.position, head.at, head.position, head.at)
    if not _is_in_log(head, cursor, occurred_at):
        raise StaleCursorError
    return StreamPosition(stream, cursor.position, cursor.at, head.position, head.at)


def _is_in_log(head: log.Head, cursor: Cursor, occurred_at: datetime | None) -> bool:
    if cursor.position == head.position:
        return cursor.at == head.at
    if cursor.position == 0:
        return occurred_at is not None
    return cursor.position < head.position and occurred_at == cursor.at
