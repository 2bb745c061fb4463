"""How it stands: for probes and for metrics."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resolvers.context import House

_PATIENCE_SECONDS = 3


async def healthz(_: Request) -> Response:
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """
    503 without the database. A deaf bell is 200: everything still arrives, and a probe must not take every
    replica out.
    """
    house: House = request.app.state.house
    bell = "deaf" if house.bell.deaf else "heard"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), house.database.reading() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        return JSONResponse({"status": "no database", "error": type(error).__name__, "bell": bell}, 503)
    return JSONResponse({"status": "ready", "bell": bell})


async def metrics(_: Request) -> Response:
    """Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
