"""The export of everything about one customer, as JSON Lines (https://jsonlines.org), streamed."""

from collections.abc import AsyncIterator

import orjson
from starlette.requests import Request
from starlette.responses import StreamingResponse

from resolvers.customer_export import Record, export_customer
from server.http.authentication import authenticate
from server.rest.export_queries import CustomerQuery
from server.rest.parsing import read_query

MEDIA_TYPE = "application/jsonl"


async def get_customer_jsonl(request: Request) -> StreamingResponse:
    """200 with an object a line for each record about the customer."""
    context = (await authenticate(request)).context
    _ = context.actor  # raises: a caller without credential learns nothing about the rest of the request
    query = read_query(request.query_params, CustomerQuery, lists=(), integers=())
    pages = await export_customer(context, query.external_id, query.email)
    headers = {"Content-Disposition": 'attachment; filename="customer.jsonl"', "Cache-Control": "no-store"}
    return StreamingResponse(_encode(pages, request), headers=headers, media_type=MEDIA_TYPE)


async def _encode(pages: AsyncIterator[list[Record]], request: Request) -> AsyncIterator[bytes]:
    """Yield the lines page by page; a client that is gone ends it before the next page is read."""
    async for page in pages:
        yield b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in page)
        if await request.is_disconnected():
            return
