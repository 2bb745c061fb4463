"""How it stands: for probes and for metrics."""

import asyncio

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resolvers.context import Services

_PATIENCE_SECONDS = 3


async def healthz(_: Request) -> Response:
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """
    Report 503 without the database.

    A stalled pub/sub is 200: everything still arrives, and a probe must not remove every replica.
    """
    services: Services = request.app.state.services
    pubsub = "stalled" if services.pubsub.stalled else "ok"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS), services.database.autocommit_session() as session:
            await session.execute(text("SELECT 1"))
    except Exception as error:
        return JSONResponse({"status": "no database", "error": type(error).__name__, "pubsub": pubsub}, 503)
    return JSONResponse({"status": "ready", "pubsub": pubsub})


async def metrics(_: Request) -> Response:
    """Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
