"""The process that serves: settings, database, house, app, uvicorn."""

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import structlog
import uvicorn

from server.app import make_app
from server.house import Urls, database_urls, open_house, prepare
from server.settings import Settings
from server.visits import Visits

FRAME_LIMIT = 65_536  # bytes in one WebSocket frame
STOP_SECONDS = 8

_logger = structlog.get_logger(__name__)


def serve(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serves until it is told to stop. `on_ready` hears the address when it answers."""
    with database_urls(settings) as urls, _bound(settings) as sock:
        host, port = sock.getsockname()[:2]
        settings = settings.model_copy(update={"port": port})
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, urls, sock, on_ready))
        _logger.info("serve.stopped", host=host, port=port)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    config = uvicorn.Config(app=make_app, loop="uvloop")
    factory = config.get_loop_factory()
    return factory or asyncio.new_event_loop


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
    settings: Settings, urls: Urls, sock: socket.socket, on_ready: Callable[[str], None] | None
) -> None:
    await prepare(urls)
    async with open_house(settings, urls.service) as house:
        visits = Visits.of(house)
        rechecks = asyncio.create_task(visits.run())
        app = make_app(house, settings, visits)
        try:
            await _Server(_config(app), visits, on_ready, settings.url).serve(sockets=[sock])
        finally:
            rechecks.cancel()


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=FRAME_LIMIT,
        ws_per_message_deflate=False,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
    )


class _Server(uvicorn.Server):
    """Says when it answers, and ends sockets and streams before uvicorn waits for them."""

    def __init__(
        self, config: uvicorn.Config, visits: Visits, on_ready: Callable[[str], None] | None, url: str
    ) -> None:
        super().__init__(config)
        self._visits = visits
        self._on_ready = on_ready
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer."""
        await super().startup(sockets=sockets)
        _logger.info("serve.ready", url=self._url)
        if self._on_ready:
            self._on_ready(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Sends everybody who follows something to another process, then lets what runs end."""
        await self._visits.close_all()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Ends in an orderly way; uvicorn's own would raise the signal again and skip what is to be closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
