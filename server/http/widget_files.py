"""The built files of the widget, for pages of any site.

`/widget.js` and `/widget.mjs` are loaders whose address never changes. What they load has a hash in its name
and never changes either. `/widget/VERSION/…` serves the loaders of this version, for pages that pin their
hash.
"""

import hashlib
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.http.static_files import IMMUTABLE, missing_file, read_file, serve_file
from server.version import VERSION

FOLDER = Path(__file__).parents[1] / "static" / "widget"
BUILD_COMMAND = "make web"

_LOADERS = frozenset({"widget.js", "widget.mjs", "widget.d.mts"})
# A name that a build has made: letters, then a hash. Nothing in it can leave the folder.
_HASHED = re.compile(r"[A-Za-z0-9_]{1,40}[.-][A-Za-z0-9_-]{8,40}\.js")
_SHORT = "public, max-age=300, stale-while-revalidate=86400"
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


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
        file = read_file(self.folder / name)
        return f"sha384-{b64encode(hashlib.sha384(file.content).digest()).decode()}" if file else None

    async def _loader(self, request: Request) -> Response:
        return self._answer(request, request.url.path.removeprefix("/"), _SHORT)

    async def _hashed(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not _HASHED.fullmatch(name):
            return missing_file("No file of the widget has this name.", _HEADERS)
        return self._answer(request, name, IMMUTABLE)

    async def _pinned(self, request: Request) -> Response:
        version, name = request.path_params["version"], request.path_params["name"]
        if version != VERSION or name not in _LOADERS:
            return missing_file(
                f"This server has the widget of version {VERSION}: /widget/{VERSION}/widget.js.", _HEADERS
            )
        return self._answer(request, name, IMMUTABLE)

    def _answer(self, request: Request, name: str, caching: str) -> Response:
        headers = {**_HEADERS, "Cache-Control": caching}
        if response := serve_file(request, self.folder / name, headers):
            return response
        if not (self.folder / "widget.js").exists():
            return missing_file(
                f"The widget is not built: run `{BUILD_COMMAND}` in Baton's folder, then reload.", _HEADERS
            )
        return missing_file("The widget that is built here has no such file: reload the page.", _HEADERS)
