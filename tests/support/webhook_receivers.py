"""HTTP receivers on loopback that webhooks are sent to: honest ones, hostile ones, and traps."""

import gzip
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests.support.baton_client import DEADLINE, wait_for


@dataclass(frozen=True)
class Received:
    """A request as it came. The names of `headers` are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The body, unverified."""
        result: dict[str, Any] = json.loads(self.body)
        return result

    def verified(self, secret: str) -> dict[str, Any]:
        """Return the body if `secret` has signed it. Raises WebhookVerificationError."""
        verify: dict[str, Any] = Webhook(secret).verify(self.body, dict(self.headers))
        return verify


@dataclass(frozen=True)
class Answer:
    """The answer of a receiver."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.path, headers, self.rfile.read(length))
        answer = self.server.receiver.take(received)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        body = b"" if answer.status in (204, 304) else answer.body
        if answer.status not in (204, 304):
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing: tests read the received requests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    receiver: "Receiver"

    def handle_error(self, *_: Any) -> None:
        """Ignore a sender that has disconnected."""


class Receiver:
    """
    Takes what is posted to `url`, keeps it, and answers it.

    `answers` are given in their order, then 204; an answer is one, or makes one of what was received.
    """

    def __init__(self, *answers: Answer | Callable[[Received], Answer], port: int = 0) -> None:
        self.received: list[Received] = []
        self._answers = iter(answers)
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.receiver = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def take(self, received: Received) -> Answer:
        """Keep a request and return the next answer."""
        with self._lock:
            answer = next(self._answers, Answer())
            self.received.append(received)
        return answer if isinstance(answer, Answer) else answer(received)

    def wait_for(self, count: int, seconds: float = DEADLINE) -> list[Received]:
        """Wait for `count` requests and return them."""
        wait_for(lambda: len(self.received) >= count, f"{count} webhooks", seconds)
        return self.received[:count]

    def wait_for_event(self, type_: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Wait for the first event of a type and return it."""

        def matching() -> dict[str, Any] | None:
            return next((item.event for item in list(self.received) if item.event["type"] == type_), None)

        event: dict[str, Any] = wait_for(matching, type_, seconds)
        return event

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def has_ipv6() -> bool:
    """Return true if this machine has ::1."""
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


class Trap:
    """Listens on a port of 127.0.0.1 and of ::1, where nothing may ever connect."""

    def __init__(self) -> None:
        first = socket.create_server(("127.0.0.1", 0))
        self.port: int = first.getsockname()[1]
        self._listening = [first, socket.create_server(("::1", self.port), family=socket.AF_INET6)]
        for listening in self._listening:
            listening.setblocking(False)
        self._caught: list[Any] = []

    @property
    def caught(self) -> list[Any]:
        """Return the connections' peers: the kernel accepts each before `connect` returns."""
        for listening in self._listening:
            with suppress(BlockingIOError):
                while True:
                    connection, address = listening.accept()
                    connection.close()
                    self._caught.append(address)
        return self._caught

    def __enter__(self) -> "Trap":
        return self

    def __exit__(self, *_: object) -> None:
        for listening in self._listening:
            listening.close()


Behaviour = Callable[[socket.socket, threading.Event], None]


class Hostile:
    """
    A TCP server that reads a request and then behaves badly.

    `sent` counts the bytes that it could send, `connections` those who came, `hung_up` is set when one left.
    """

    def __init__(self, behave: Behaviour, *, read_first: bool = True, scheme: str = "http") -> None:
        self.connections = 0
        self.hung_up = threading.Event()
        self._behave, self._read_first = behave, read_first
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self.port: int = self._listening.getsockname()[1]
        self.url = f"{scheme}://127.0.0.1:{self.port}/hook"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            if self._over.is_set():
                connection.close()
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._read_first:
                connection.recv(65_536)
            self._behave(connection, self._over)
        self.hung_up.set()

    def __enter__(self) -> "Hostile":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # Closing does not wake a thread that waits in accept().
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive()


def hang(connection: socket.socket, over: threading.Event) -> None:
    """Send nothing until the peer disconnects."""
    connection.settimeout(0.05)
    while not over.is_set():
        with suppress(TimeoutError):
            if not connection.recv(65_536):
                return


def drip(text: bytes, begin: bytes = b"") -> Behaviour:
    """Send `begin` immediately, then `text` byte by byte, and its last byte forever."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        endless = itertools.chain(text, itertools.repeat(text[-1]))
        while not over.wait(0.02):
            connection.sendall(bytes([next(endless)]))

    return behave


def reset(connection: socket.socket, _: threading.Event) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(*texts: bytes) -> Behaviour:
    """Send texts and close."""

    def behave(connection: socket.socket, _: threading.Event) -> None:
        for text in texts:
            connection.sendall(text)

    return behave


def say_and_wait(*texts: bytes) -> Behaviour:
    """Send texts and wait until the peer disconnects."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        say(*texts)(connection, over)
        hang(connection, over)

    return behave


def pour(begin: bytes, drop: bytes) -> Behaviour:
    """Send `begin`, and then `drop` without end."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        while not over.is_set():
            connection.sendall(drop)

    return behave


def gzip_bomb() -> Behaviour:
    """Return an answer of 16 KiB that unpacks to 16 MiB."""
    bomb = gzip.compress(bytes(2**24))
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(bomb)}\r\n\r\n"
    return say(head.encode() + bomb)


@contextmanager
def named_server(context: ssl.SSLContext) -> Iterator[tuple[int, Sequence[str | None]]]:
    """Run a TLS server that answers 204. Yields its port and the requested server names."""
    names: list[str | None] = []

    def note(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = note

    def behave(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.recv(65_536)
            wrapped.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            hang(wrapped, over)

    with Hostile(behave, read_first=False) as server:
        yield server.port, names
