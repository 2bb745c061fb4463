"""Probes of a process: does it run, and can it serve."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.http.metrics import metrics
from server.http.state import http_state
from server.version import VERSION


async def healthz(_: Request) -> Response:
    """Report that the process runs, and its version."""
    return JSONResponse({"status": "ok", "version": VERSION})


async def readyz(request: Request) -> Response:
    """Report 503 while the database cannot be read and written.

    A stalled pub/sub is 200: everything still arrives, and a probe must not remove every replica.
    """
    state = http_state(request)
    pubsub = "stalled" if state.services.pubsub.stalled else "ok"
    fault = await state.probe.fault()
    return JSONResponse({"status": fault or "ready", "pubsub": pubsub}, 503 if fault else 200)


ROUTES = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
