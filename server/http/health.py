"""Probes and metrics."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.http.state import http_state
from server.version import VERSION

_DATABASE_SECONDS = 3


async def healthz(_: Request) -> Response:
    """Report that the process runs, and its version."""
    return JSONResponse({"status": "ok", "version": VERSION})


async def readyz(request: Request) -> Response:
    """Report 503 without the database.

    A stalled pub/sub is 200: everything still arrives, and a probe must not remove every replica.
    """
    services = http_state(request).services
    pubsub = "stalled" if services.pubsub.stalled else "ok"
    try:
        async with asyncio.timeout(_DATABASE_SECONDS), services.database.autocommit_session() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        return JSONResponse({"status": "no database", "error": type(error).__name__, "pubsub": pubsub}, 503)
    return JSONResponse({"status": "ready", "pubsub": pubsub})


async def metrics(_: Request) -> Response:
    """Return the metrics in the text format of Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
