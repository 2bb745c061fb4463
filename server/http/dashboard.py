"""The dashboard under `/app`, a page whose own code reads the rest of the address.

Every address below `/app` without a file name gets the page.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.http.built_page import serve_page, serve_page_file
from server.http.plain_page import plain_page
from server.http.state import http_state
from server.http.static_files import IMMUTABLE
from server.settings import Settings

_NOT_BUILT = """<p>This installation has the API without the dashboard. In the folder of Baton's source, run
<code>make web</code> and load this page again.</p>"""


async def _asset(request: Request) -> Response:
    return serve_page_file(request, _folder(request), f"assets/{request.path_params['path']}", IMMUTABLE)


async def _page(request: Request) -> Response:
    path = request.path_params.get("path", "")
    if "." in path.rpartition("/")[2]:
        return serve_page_file(request, _folder(request), path, "no-cache")
    page = serve_page(_folder(request), _base(request), _sign_in_facts(http_state(request).settings))
    return page or plain_page("The dashboard is not built", _NOT_BUILT, 404)


def _sign_in_facts(settings: Settings) -> dict[str, str]:
    """Return what the sign-in screen offers besides the password."""
    if not settings.oidc_issuer:
        return {}
    facts = {"sign-in-provider": settings.oidc_name, "sign-in-address": f"{settings.url}/sign-in/oidc"}
    return facts if settings.password_sign_in else facts | {"password-sign-in": "off"}


def _folder(request: Request) -> Path:
    return http_state(request).settings.web_dir / "app"


def _base(request: Request) -> str:
    """Return the way from the requested address to the folder of the page, such as `../`."""
    # A separator that is sent as `%2F` separates nothing.
    sent: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    depth = sent.count(b"/")
    return "./app/" if depth == 1 else "../" * (depth - 2) or "./"


async def _front(_request: Request) -> Response:
    # Relative, as a proxy may put a prefix before the path.
    return RedirectResponse("app/")


async def _no_icon(_request: Request) -> Response:
    # Browsers ask for it when they show JSON. Pages name their own.
    return Response(None, 204, {"Cache-Control": "public, max-age=86400"})


ROUTES = [
    Route("/", _front),
    Route("/favicon.ico", _no_icon),
    Route("/app", _page),
    Route("/app/", _page),
    Route("/app/assets/{path:path}", _asset),
    Route("/app/{path:path}", _page),
]
