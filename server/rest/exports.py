"""Exports of the analytics and the audit log as CSV (RFC 4180), streamed."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import astuple, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse

from resolvers.analytics.export import ExportedEscalation, export_escalations
from resolvers.analytics.periods import check_period, check_timezone
from resolvers.analytics.series import AnalyticsPoint, export_series
from resolvers.audit_queries import export_audit_log
from rules.audit import HASHED
from rules.typeid import AGENT, CONVERSATION, ESCALATION, format_id
from server.http.authentication import authenticate
from server.rest.export_queries import AuditExportQuery, EscalationsExportQuery, SeriesExportQuery
from server.rest.parsing import read_query

MEDIA_TYPE = "text/csv; charset=utf-8"
# A spreadsheet takes cells that begin so for formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UTC = ZoneInfo("UTC")
_AUDIT_COLUMNS = (*(name for name in HASHED if name != "workspace_id"), "previous_hash", "hash")
_PREFIXES = {"id": ESCALATION, "conversation_id": CONVERSATION, "agent_id": AGENT}


async def get_escalations_csv(request: Request) -> StreamingResponse:
    """200 with a row for each escalation that was created in the period, oldest first."""
    context = (await authenticate(request)).context
    _ = context.actor  # raises: a caller without credential learns nothing about the rest of the request
    query = read_query(request.query_params, EscalationsExportQuery, lists=(), integers=())
    period, zone = check_period(query.from_, query.to), check_timezone(query.timezone)
    pages = await export_escalations(context, query.agent_id, period)
    names = [field.name for field in fields(ExportedEscalation)]
    return _response("escalations.csv", names, _escalation_rows(pages, names, zone), request)


async def get_analytics_csv(request: Request) -> StreamingResponse:
    """200 with a row for each step of the series."""
    context = (await authenticate(request)).context
    _ = context.actor  # as above
    query = read_query(request.query_params, SeriesExportQuery, lists=(), integers=())
    period, zone = check_period(query.from_, query.to), check_timezone(query.timezone)
    points = await export_series(context, query.agent_id, period, query.interval, query.timezone)
    names = [field.name for field in fields(AnalyticsPoint)]

    async def rows() -> AsyncIterator[list[Sequence[str]]]:
        yield [[_cell(value, zone) for value in astuple(point)] for point in points]

    return _response("analytics.csv", names, rows(), request)


async def get_audit_csv(request: Request) -> StreamingResponse:
    """200 with a row for each entry of the audit log, oldest first."""
    context = (await authenticate(request)).context
    _ = context.actor  # as above
    read_query(request.query_params, AuditExportQuery, lists=(), integers=())
    pages = await export_audit_log(context)

    async def rows() -> AsyncIterator[list[Sequence[str]]]:
        async for page in pages:
            yield [[_audit_cell(name, getattr(row, name)) for name in _AUDIT_COLUMNS] for row in page]

    return _response("audit.csv", _AUDIT_COLUMNS, rows(), request)


def _audit_cell(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return orjson.dumps(value).decode() if name == "details" else _cell(value, _UTC)


async def _escalation_rows(
    pages: AsyncIterator[list[ExportedEscalation]], names: Sequence[str], zone: ZoneInfo
) -> AsyncIterator[list[Sequence[str]]]:
    async for page in pages:
        yield [[_named_cell(name, getattr(row, name), zone) for name in names] for row in page]


def _response(
    name: str, header: Sequence[str], pages: AsyncIterator[list[Sequence[str]]], request: Request
) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(_encode(header, pages, request), headers=headers, media_type=MEDIA_TYPE)


async def _encode(
    header: Sequence[str], pages: AsyncIterator[list[Sequence[str]]], request: Request
) -> AsyncIterator[bytes]:
    """Yield the file in parts; a client that is gone ends it before the next page is read."""
    yield _lines([header])
    async for page in pages:
        yield _lines(page)
        if await request.is_disconnected():
            return


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _named_cell(name: str, value: Any, zone: ZoneInfo) -> str:
    return format_id(_PREFIXES[name], value) if isinstance(value, UUID) else _cell(value, zone)


def _cell(value: Any, zone: ZoneInfo) -> str:
    """Return the text of a value: times in the zone, words in lower case, formulas made harmless."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="microseconds")
    if isinstance(value, StrEnum):
        return value.lower()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
