"""The ASGI application: its routes and its state."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from resolvers.context import Services
from schema.live.groups import Groups
from server.graphql.client_connections import ClientConnections
from server.graphql.http import METHODS, graphql
from server.graphql.state import AppState
from server.graphql.websocket import websocket_endpoint
from server.http.call_report import reported
from server.http.dashboard import ROUTES as DASHBOARD
from server.http.graphiql import ROUTES as GRAPHIQL
from server.http.health import healthz, metrics, readyz
from server.http.hosts import AllowedHosts
from server.http.log_context import log_context
from server.http.problems import EXCEPTION_HANDLERS, answer_refused
from server.http.response_headers import ResponseHeaders
from server.http.security_contact import security_txt
from server.http.widget_files import WidgetFiles
from server.oidc.routes import SignInRoutes
from server.rest.routes import ROUTES as REST_ROUTES
from server.settings import Settings

# Any page may call with its own token, and a widget token's origin is checked with the token. Cookies are not
# shared with pages of other sites: `allow_credentials` stays off.
_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
    # Monitoring and GraphQL clients add headers of their own.
    allow_headers=["*"],
    expose_headers=["link", "retry-after", "ratelimit", "ratelimit-policy"],
    max_age=3600,
)


class App(Starlette):
    """The routes, with allowed hosts, and with security headers and the log context of each request.

    WebSockets bypass the middleware: they stay open for hours, and each layer around one would stay, too.
    """

    def __init__(self, live: Callable[[WebSocket], Awaitable[None]], state: AppState, **options: Any) -> None:
        super().__init__(**options)
        # A redirect would name the host that the caller has made up, and lose the body of a POST.
        self.router.redirect_slashes = False
        self._live = live
        self._hosts = AllowedHosts.of(state.settings)
        self._headers = ResponseHeaders(self.routes, is_https=state.settings.url.startswith("https://"))
        self.state = cast(State, state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] == "http":
            # Starlette raises an answered error again, and the server would log it a second time.
            with log_context(), suppress(Exception), reported(scope) as report:
                await self._answer(scope, receive, report.sender(self._headers.sending(scope, send)))
        elif scope["type"] == "websocket" and (refusal := self._hosts.refusal(scope)):
            await send({"type": "websocket.http.response.start", "status": refusal[0], "headers": []})
        elif scope["type"] == "websocket" and scope["path"] == "/graphql":
            scope["app"] = self
            await self._live(WebSocket(scope, receive, send))
        else:
            await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._hosts.refusal(scope):
            response = await answer_refused(Request(scope), HTTPException(*refusal))
            await response(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def routes_of(settings: Settings) -> list[BaseRoute]:
    """Return the routes of every server."""
    return [
        # The most frequent first: routes are tried in this order.
        Route("/graphql", graphql, methods=METHODS),
        *WidgetFiles(settings.web_dir / "widget").routes,
        *DASHBOARD,
        *GRAPHIQL,
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/.well-known/security.txt", security_txt),
        *SignInRoutes(settings).routes,
        *REST_ROUTES,
    ]


def make_app(
    services: Services, settings: Settings, connections: ClientConnections, more: Sequence[BaseRoute] = ()
) -> App:
    """Return the application on running services, with `more` routes than every server has."""
    return App(
        websocket_endpoint(),
        AppState(services, settings, Groups(), connections),
        routes=[*routes_of(settings), *more],
        middleware=[_CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )
