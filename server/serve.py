"""The process that serves: settings, database, house, app, uvicorn."""

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvicorn
import uvloop

from realtime.cancellation import cancel_and_wait
from resolvers.context import Services
from server.app import make_app
from server.graphql.client_connections import ClientConnections
from server.graphql.uvicorn_protocols import RequestProtocol
from server.graphql.websocket_protocol import WebSocketProtocol
from server.services import DatabaseUrls, database_urls, keep_embedded_running, open_services, prepare
from server.settings import Settings, with_secret_key
from server.stop_deadline import StopDeadline
from server.worker import Worker

FRAME_LIMIT = 65_536  # bytes in one WebSocket frame
STOP_SECONDS = 8

Beside = Callable[[Services, Settings], Awaitable[None]]

_logger = structlog.get_logger(__name__)


def serve(
    settings: Settings, beside: Beside | None = None, *, works: bool = True, mail_folder: Path | None = None
) -> None:
    """
    Serves until told to stop, with a worker inside if it `works`; `beside` begins when it answers.

    Without a mail server mails go to `mail_folder`, if one is given.
    """
    settings = with_secret_key(settings)
    with database_urls(settings) as urls, _bound(settings) as sock:
        host, port = sock.getsockname()[:2]
        settings = settings.model_copy(update={"port": port})
        stop_deadline = StopDeadline()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, urls, sock, stop_deadline, beside, works, mail_folder))
        stop_deadline.cancel()
        _logger.info("serve.stopped", host=host, port=port)


def _bound(settings: Settings) -> socket.socket:
    # Before anything is done, so that a taken port is the first thing to be said.
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
    except OSError as error:
        sock.close()
        raise PortTakenError(settings.host, settings.port, error.strerror or "") from error
    return sock


class PortTakenError(Exception):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port} ({why}). Set BATON_PORT to a free port, or BATON_HOST to an "
            "address of this machine."
        )


async def _serve(
    settings: Settings,
    urls: DatabaseUrls,
    sock: socket.socket,
    stop_deadline: StopDeadline,
    beside: Beside | None,
    works: bool,
    mail_folder: Path | None,
) -> None:
    await prepare(urls)
    async with open_services(settings, urls.service, mail_folder=mail_folder) as services:
        connections = ClientConnections.of(services)
        worker = Worker(services, urls.service) if works else None
        server = _Server(
            _config(make_app(services, settings, connections)), connections, worker, stop_deadline
        )
        tasks = [
            asyncio.create_task(connections.run()),
            asyncio.create_task(_greet(server, services, settings, beside)),
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


async def _greet(server: "_Server", services: Services, settings: Settings, beside: Beside | None) -> None:
    await server.answers.wait()
    # What has been built by now stays: looking through it again and again stops every request for 0.1 s.
    gc.collect()
    gc.freeze()
    # Sockets stay, too; with Python's thresholds of 700, 10 and 10 they were looked through again and again.
    gc.set_threshold(10_000, 20, 20)
    _logger.info("serve.ready", url=settings.url)
    if beside is not None:
        await beside(services, settings)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        http=RequestProtocol,
        ws=WebSocketProtocol,
        ws_max_size=FRAME_LIMIT,
        ws_ping_interval=20,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        # Of proxies on this machine, or of those that FORWARDED_ALLOW_IPS names.
        proxy_headers=True,
    )


class _Server(uvicorn.Server):
    """Says when it answers, and ends sockets and streams before uvicorn waits for them."""

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
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer."""
        await super().startup(sockets=sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Sends everybody who follows something to another process, then lets what runs end."""
        self._stop_deadline.start()
        if self._worker:
            self._worker.stop()
        await self._connections.close_all()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ends in an orderly way: uvicorn's own raises the signal again, which skips what is to be closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
