"""GraphiQL, for a browser that opens `/graphql`, if BATON_GRAPHIQL turns it on."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.http.built_page import serve_page, serve_page_file
from server.http.state import http_state
from server.http.static_files import IMMUTABLE

_OFF = "GraphiQL is off here. Start the service with BATON_GRAPHIQL=true to turn it on.\n"
_NOT_BUILT = "GraphiQL is not built. Run `make web` in the folder of Baton's source, and load the page.\n"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def graphiql_page(request: Request) -> Response:
    """Return GraphiQL, or 404 in plain text with the way to get it."""
    if not http_state(request).settings.graphiql:
        return PlainTextResponse(_OFF, 404, _HEADERS)
    return serve_page(_folder(request), "./graphql/") or PlainTextResponse(_NOT_BUILT, 404, _HEADERS)


async def _asset(request: Request) -> Response:
    if not http_state(request).settings.graphiql:
        return PlainTextResponse(_OFF, 404, _HEADERS)
    return serve_page_file(request, _folder(request), f"assets/{request.path_params['path']}", IMMUTABLE)


def _folder(request: Request) -> Path:
    return http_state(request).settings.web_dir / "graphiql"


ROUTES = [Route("/graphql/assets/{path:path}", _asset)]
