"""The page of a sample shop, with the widget on it: what `baton demo` shows first."""

import secrets
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import orjson
from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.http.widget_files import BUILD_COMMAND
from server.settings import Settings

PATH = "/demo/shop"


def shop_route(kept: Path) -> Route:
    """Return the route of the page. `kept` is the file with the demo's AI agent, which the demo writes."""

    # No coroutine, so that reading the file blocks no other request.
    def shop(request: Request) -> Response:
        try:
            agent = orjson.loads(kept.read_bytes())["agent_id"]
        except FileNotFoundError:
            return PlainTextResponse("The demo is starting: try again.\n", 503, {"Retry-After": "1"})
        return _page(request, agent)

    return Route(PATH, shop)


def _page(request: Request, agent: str) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = (files("server.demo") / "shop.html").read_text(encoding="utf-8")
    for name, value in {"nonce": nonce, "agent": agent, "build": BUILD_COMMAND}.items():
        page = page.replace(f"{{{{ {name} }}}}", str(escape(value)))
    # The strictest policy under which the widget works.
    live = f"ws{'s' if request.url.scheme == 'https' else ''}://{request.url.netloc}"
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'nonce-{nonce}'; "
        f"connect-src 'self' {live}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return HTMLResponse(page, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})


def shop_origins(settings: Settings) -> list[str]:
    """Return the origins under which a browser may open the page."""
    public = urlsplit(settings.url)
    local = [f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost")]
    return list(dict.fromkeys([f"{public.scheme}://{public.netloc}".lower(), *local]))
