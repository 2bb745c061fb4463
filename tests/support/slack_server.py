"""
A local server of Slack's Web API on loopback, which keeps the requests.

`slack.will("ratelimited", "reset")` plans the next answers. Later requests succeed.
Other words than those of WAYS are Slack's error names. `bots`, `channels` and `outside` make it
strict: other tokens are invalid_auth, other channels channel_not_found, those outside not_in_channel.
"""

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.baton_client import wait_for

TEAM = {"team": "Acme", "team_id": "T0ACME", "user": "baton", "user_id": "U0BATON", "bot_id": "B0BATON"}
SCOPES = "chat:write,chat:write.public"
WAYS = ("ok", "ratelimited", "status", "broken", "text", "list", "long", "redirect", "hang", "drip", "reset")


@dataclass(frozen=True)
class Call:
    """One request: the API method, its headers in lower case, its body as JSON (None without one)."""

    verb: str
    method: str
    query: str
    headers: dict[str, str]
    body: Any
    raw: bytes
    at: float

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class SlackStandIn:
    """The server's outside. `calls` holds every request in its order, however it was answered."""

    bots: set[str] | None = None
    channels: set[str] | None = None
    outside: set[str] = field(default_factory=set)
    scopes: str | None = SCOPES
    retry_after: str | None = "30"
    redirect_to: str = ""
    calls: list[Call] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)
    _ways: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["SlackStandIn"]:
        """Run a server at `url`, for BATON_SLACK_API_URL."""
        slack = cls()
        server = _Server(slack)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        slack.url = f"http://127.0.0.1:{server.server_port}/api/"
        try:
            yield slack
        finally:
            slack.ended.set()
            server.shutdown()
            thread.join()
            server.server_close()

    def will(self, *ways: str) -> None:
        """Plan the answers of the next requests, in order."""
        with self._lock:
            self._ways.extend(ways)

    def forget(self) -> None:
        """Reset it: no calls, no planned answers, and every token and channel is valid."""
        with self._lock:
            self.calls.clear()
            self._ways.clear()
        self.bots, self.channels, self.outside = None, None, set()
        self.scopes, self.retry_after = SCOPES, "30"

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The bodies of the chat.postMessage calls, however they were answered."""
        return [call.body for call in list(self.calls) if call.method == "chat.postMessage"]

    def wait_for_messages(self, count: int) -> list[dict[str, Any]]:
        """Wait for `count` messages and return them."""
        result: list[dict[str, Any]] = wait_for(
            lambda: self.messages if len(self.messages) >= count else None, f"{count} Slack messages"
        )
        return result

    def take(self, call: Call) -> str:
        """Keep a request and return its planned answer."""
        with self._lock:
            self.calls.append(call)
            if self._ways:
                return self._ways.pop(0)
        if not call.token:
            return "not_authed"
        if self.bots is not None and call.token not in self.bots:
            return "invalid_auth"
        return self._way_to(call.body["channel"]) if call.method == "chat.postMessage" else "ok"

    def _way_to(self, channel: str) -> str:
        if channel in self.outside:
            return "not_in_channel"
        return "ok" if self.channels is None or channel in self.channels else "channel_not_found"


class _Server(ThreadingHTTPServer):
    def __init__(self, slack: SlackStandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.slack = slack

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        path, _, query = self.path.partition("?")
        method = path.removeprefix("/api/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(raw) if raw and "json" in headers.get("content-type", "") else None
        call = Call(self.command, method, query, headers, body, raw, time.monotonic())
        way = (
            self.server.slack.take(call) if method in ("auth.test", "chat.postMessage") else "unknown_method"
        )
        self._go(way, call)

    def do_GET(self) -> None:
        self.do_POST()

    def _go(self, way: str, call: Call) -> None:
        slack = self.server.slack
        faults = {"hang": self._hang, "drip": self._drip, "reset": self._reset}
        if way in faults:
            faults[way]()
            return
        wait = {"Retry-After": slack.retry_after}
        answers: dict[str, tuple[int, Any, dict[str, str | None]]] = {
            "ok": (200, {"ok": True, **self._told(call)}, {"X-OAuth-Scopes": slack.scopes}),
            "ratelimited": (429, {"ok": False, "error": "ratelimited"}, wait),
            "status": (503, {"ok": True}, wait),
            "broken": (500, b"<html>Internal error</html>", {"Content-Type": "text/html"}),
            "text": (200, b"ok", {"Content-Type": "text/plain"}),
            "list": (200, [{"ok": True}], {}),
            "long": (200, b'{"ok": true, "_": "' + b"x" * 2_000_000 + b'"}', {}),
            "redirect": (307, b"", {"Location": slack.redirect_to}),
        }
        status, result, headers = answers.get(way, (200, {"ok": False, "error": way}, {}))
        self._say(status, result if isinstance(result, bytes) else json.dumps(result).encode(), headers)

    def _told(self, call: Call) -> dict[str, Any]:
        if call.method == "auth.test":
            return {"url": "https://acme.slack.com/", "is_enterprise_install": False, **TEAM}
        return {"channel": "C0123", "ts": f"{len(self.server.slack.calls)}.000100", "message": call.body}

    def _say(self, status: int, body: bytes, headers: dict[str, str | None]) -> None:
        said = {"Content-Type": "application/json; charset=utf-8", **headers}
        self.send_response(status)
        for name, value in {**said, "Content-Length": str(len(body))}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def _hang(self) -> None:
        self.server.slack.ended.wait()

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        with suppress(OSError):
            while not self.server.slack.ended.wait(0.02):
                self.wfile.write(b" ")

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closed under its wrappers' feet: they would end it politely.
        os.close(self.connection.detach())
        self.close_connection = True

    def log_request(self, *_: Any) -> None:
        """Quiet."""
