"""A web site of an integrator: pages of an origin of its own, with headers of the test's choice."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

PARAGRAPHS = "<p>Some text of the shop, in a paragraph.</p>" * 40


@dataclass
class WebSite:
    """Pages by their paths. `origin` is what a browser sends as Origin."""

    origin: str = ""
    requests: list[str] = field(default_factory=list)
    _pages: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, html: str, headers: Mapping[str, str] | None = None) -> str:
        """Add a page and return its URL."""
        path = f"/{next(self._names)}"
        self._pages[path] = (html.encode(), dict(headers or {}))
        return self.origin + path

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Return the status, the body and the headers of a page."""
        self.requests.append(path)
        page = self._pages.get(path.partition("?")[0])
        if page is None:
            return 404, b"", {}
        return 200, page[0], {"content-type": "text/html; charset=utf-8"} | page[1]

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["WebSite"]:
        """Serve in a thread for the duration of the block."""
        site = cls()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, body, headers = site.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
                """Log nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            # A name: to a browser 127.0.0.1 of another port is the same site as the service.
            site.origin = f"http://localhost:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield site
            finally:
                server.shutdown()
                thread.join()


def shop(script: str, *, head: str = "", body: str = "", lang: str = "en", attributes: str = "") -> str:
    """Return a page of a shop. `script` is the tag of the widget."""
    return f"""<!doctype html><html lang="{lang}" {attributes}><head><meta charset="utf-8"><title>Shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">{head}</head>
<body><main><h1>Shop</h1>{body}{PARAGRAPHS}</main>{script}</body></html>"""
