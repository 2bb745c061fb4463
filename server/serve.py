"""The serving process: settings, database, services, application, uvicorn."""

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop
from starlette.routing import BaseRoute

from realtime.cancellation import cancel_and_wait
from resolvers.context import Services
from server.app import make_app
from server.data_dir import advice_on_openness, openness
from server.embedded.release import embedded_release
from server.graphql.client_connections import ClientConnections
from server.graphql.websocket_protocol import WebSocketProtocol
from server.http.tracing import tracing
from server.listener import bind, uvicorn_config
from server.services import DatabaseUrls, database_urls, keep_embedded_running, open_services, prepare
from server.settings import Settings, with_secret_key
from server.stop_deadline import StopDeadline
from server.stop_signals import stop_signals
from server.version import VERSION
from server.worker import Worker

FRAME_LIMIT = 65_536  # bytes in one WebSocket frame
_WEBSOCKETS: dict[str, Any] = {"ws": WebSocketProtocol, "ws_max_size": FRAME_LIMIT, "ws_ping_interval": 20}

OnReady = Callable[[Services, Settings], Awaitable[None]]

_logger = structlog.get_logger(__name__)


def serve(
    settings: Settings,
    on_ready: OnReady | None = None,
    *,
    with_worker: bool = True,
    mail_folder: Path | None = None,
    routes: Sequence[BaseRoute] = (),
) -> None:
    """Serve until a signal to stop; `on_ready` starts when the service answers.

    `routes` are served in addition to those of every server. Mails go to `mail_folder`, if one is given, when
    there is no mail server.
    """
    settings = with_secret_key(settings)
    # Before anything else, so that a taken port is the first failure to be reported.
    with database_urls(settings) as urls, bind(settings.host, settings.port) as sock, tracing():
        _log_host(settings, urls)
        host, port = sock.getsockname()[:2]
        settings = settings.model_copy(update={"port": port})
        stop_deadline = StopDeadline(urls.embedded.stop_if_last if urls.embedded else _nothing)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(
                _serve(settings, urls, sock, stop_deadline, on_ready, with_worker, mail_folder, routes)
            )
        stop_deadline.cancel()
        _logger.info("serve.stopped", host=host, port=port)


def _log_host(settings: Settings, urls: DatabaseUrls) -> None:
    if reason := openness(settings.data_dir):
        _logger.warning("data_dir.open", detail=reason, hint=advice_on_openness(settings.data_dir))
    if urls.embedded:
        release = embedded_release(urls.embedded.location.install)
        _logger.info("embedded_postgres.release", version=release.version, age_days=release.age_days())


def _nothing() -> None:
    pass


async def _serve(
    settings: Settings,
    urls: DatabaseUrls,
    sock: socket.socket,
    stop_deadline: StopDeadline,
    on_ready: OnReady | None,
    with_worker: bool,
    mail_folder: Path | None,
    routes: Sequence[BaseRoute],
) -> None:
    await prepare(urls)
    async with open_services(settings, urls.service, mail_folder=mail_folder) as opened:
        services = opened.services
        connections = ClientConnections.of(services)
        worker = Worker(opened, urls.service) if with_worker else None
        app = make_app(opened, settings, connections, routes)
        config = uvicorn_config(app, settings, **_WEBSOCKETS)
        server = _Server(config, connections, worker, stop_deadline)
        tasks = [
            asyncio.create_task(connections.run()),
            asyncio.create_task(_on_ready(server, services, settings, on_ready)),
        ]
        if urls.embedded:
            tasks.append(asyncio.create_task(keep_embedded_running(urls.embedded)))
        if worker:
            worker.start()
        try:
            await server.serve(sockets=[sock])
        finally:
            if worker:
                await worker.close()
            await cancel_and_wait(tasks)


async def _on_ready(
    server: "_Server", services: Services, settings: Settings, on_ready: OnReady | None
) -> None:
    await server.ready.wait()
    # These objects stay: each look of the garbage collector at them would stop every request for 0.1 s.
    gc.collect()
    gc.freeze()
    # Sockets stay, too: Python's thresholds of 700, 10 and 10 would have them examined all the time. The rows
    # of 16 large replies that are made concurrently are some 40,000 objects, which are freed without it.
    gc.set_threshold(50_000, 20, 20)
    listening = f"{settings.host}:{settings.port}"
    _logger.info("serve.ready", version=VERSION, listening=listening, url=settings.url)
    if on_ready is not None:
        await on_ready(services, settings)


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it answers, and closes sockets and streams before it waits."""

    def __init__(
        self,
        config: uvicorn.Config,
        connections: ClientConnections,
        worker: Worker | None,
        stop_deadline: StopDeadline,
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._worker = worker
        self._stop_deadline = stop_deadline
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer."""
        await super().startup(sockets=sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close sockets and streams, so that clients reconnect elsewhere, then let requests end."""
        self._stop_deadline.start()
        if self._worker:
            self._worker.stop()
        await self._connections.close_all()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop in order: uvicorn would raise the signal again, and nothing would be closed."""
        loop, numbers = asyncio.get_running_loop(), stop_signals()
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
