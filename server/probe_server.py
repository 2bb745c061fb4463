"""Probes and metrics of a worker, on an address of its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn

from server.http.application import App
from server.http.health import ROUTES
from server.http.problems import EXCEPTION_HANDLERS
from server.http.state import HttpState
from server.listener import PortTakenError, bind, uvicorn_config
from server.services import ProcessServices
from server.settings import Settings

_logger = structlog.get_logger(__name__)


class _ProbeServer(uvicorn.Server):
    """A uvicorn server that leaves the signals to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving_probes(opened: ProcessServices, settings: Settings) -> AsyncIterator[None]:
    """Answer probes during the block. On a taken port the worker works without, and logs that."""
    try:
        sock = bind(settings.worker_host, settings.worker_port, "BATON_WORKER")
    except PortTakenError as error:
        _logger.warning("worker.no_probes", error=str(error))
        yield
        return
    host, port = sock.getsockname()[:2]
    own = settings.model_copy(update={"host": settings.worker_host, "port": port})
    state = HttpState(opened.services, own, opened.probe)
    app = App(None, state, routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS)
    # The services of the worker are open already.
    server = _ProbeServer(uvicorn_config(app, own, ws="none", lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    _logger.info("worker.probes", listening=f"{host}:{port}")
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await asyncio.wait({serving})
