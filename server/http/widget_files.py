"""
The built files of the widget, for pages of any site.

`/widget.js` and `/widget.mjs` are loaders whose address never changes. What they load has a hash in its name
and never changes either. `/widget/VERSION/…` serves the loaders of this version, for pages that pin their
hash.
"""

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.version import VERSION

FOLDER = Path(__file__).parents[1] / "static" / "widget"
BUILD_COMMAND = "make web"

_LOADERS = frozenset({"widget.js", "widget.mjs", "widget.d.mts"})
# A name that a build has made: letters, then a hash. Nothing in it can leave the folder.
_HASHED = re.compile(r"[A-Za-z0-9_]{1,40}[.-][A-Za-z0-9_-]{8,40}\.js")
# In order of preference, with the endings of the files that a build has compressed.
_ENCODINGS = {"br": ".br", "gzip": ".gz", "identity": ""}

_SHORT = "public, max-age=300, stale-while-revalidate=86400"
_FOREVER = "public, max-age=31536000, immutable"
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class WidgetFiles:
    """The files of a folder, as `make web` leaves them: each with a .br and a .gz next to it."""

    folder: Path = FOLDER

    @property
    def routes(self) -> list[Route]:
        """The routes of all files."""
        return [
            *(Route(f"/{name}", self._loader) for name in sorted(_LOADERS)),
            Route("/widget/{name}", self._hashed),
            Route("/widget/{version}/{name}", self._pinned),
        ]

    def integrity(self, name: str) -> str | None:
        """Return the value for the attribute `integrity` of a file, or None if there is no such file."""
        file = _read(self.folder / name)
        return f"sha384-{b64encode(hashlib.sha384(file.content).digest()).decode()}" if file else None

    async def _loader(self, request: Request) -> Response:
        return self._answer(request, request.url.path.removeprefix("/"), _SHORT)

    async def _hashed(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not _HASHED.fullmatch(name):
            return _missing("No file of the widget has this name.")
        return self._answer(request, name, _FOREVER)

    async def _pinned(self, request: Request) -> Response:
        version, name = request.path_params["version"], request.path_params["name"]
        if version != VERSION or name not in _LOADERS:
            return _missing(f"This server has the widget of version {VERSION}: /widget/{VERSION}/widget.js.")
        return self._answer(request, name, _FOREVER)

    def _answer(self, request: Request, name: str, caching: str) -> Response:
        for encoding in _accepted(request.headers.get("accept-encoding", "")):
            if file := _read(self.folder / f"{name}{_ENCODINGS[encoding]}"):
                return _served(request, name, encoding, file, caching)
        if not (self.folder / "widget.js").exists():
            return _missing(f"The widget is not built: run `{BUILD_COMMAND}` in Baton's folder, then reload.")
        return _missing("The widget that is built here has no such file: reload the page.")


def _accepted(header: str) -> list[str]:
    """Return the encodings that the client accepts, best first; uncompressed is always possible."""
    quality = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        quality[name.strip()] = parameter.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    anything = quality.get("*", False)
    return [name for name in _ENCODINGS if name == "identity" or quality.get(name, anything)]


def _served(request: Request, name: str, encoding: str, file: _File, caching: str) -> Response:
    headers = {**_HEADERS, "Cache-Control": caching, "ETag": file.etag, "Vary": "Accept-Encoding"}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if cached & {file.etag, "*"}:
        return Response(None, 304, headers)
    if encoding != "identity":
        headers["Content-Encoding"] = encoding
    media_type = "text/plain" if name.endswith(".mts") else "text/javascript"
    return Response(file.content, 200, headers, media_type=media_type)


def _read(path: Path) -> _File | None:
    try:
        stat = path.stat()
        return _content(path, stat.st_mtime_ns, stat.st_size)
    except (FileNotFoundError, NotADirectoryError):
        return None


@lru_cache(maxsize=128)
def _content(path: Path, _changed: int, _size: int) -> _File:
    # The files are small and few; a new build has another time.
    content = path.read_bytes()
    return _File(content, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _missing(message: str) -> Response:
    return PlainTextResponse(message + "\n", 404, {**_HEADERS, "Cache-Control": "no-store"})
