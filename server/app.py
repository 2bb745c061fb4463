"""The application: routes, and what stands behind them."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from resolvers.context import Services
from schema.live.groups import Groups
from server.graphql.client_connections import ClientConnections
from server.graphql.http import METHODS, graphql
from server.graphql.websocket import websocket_endpoint
from server.http.health import healthz, metrics, readyz
from server.http.problems import EXCEPTION_HANDLERS
from server.http.redirects import ROUTES as DOORS
from server.rest.routes import ROUTES as REST_ROUTES
from server.settings import Settings

# Any page may call with a token of its own; what a widget token may be used from is checked with the token,
# and cookies are not shared: credentials are not allowed.
_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
    # Monitoring and GraphQL clients add headers of their own.
    allow_headers=["*"],
    expose_headers=["link", "retry-after"],
    max_age=3600,
)


class App(Starlette):
    """Routes everything but live sockets, which stay for hours, and each layer around one would stay, too."""

    def __init__(self, live: Callable[[WebSocket], Awaitable[None]], **options: Any) -> None:
        super().__init__(**options)
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a connection."""
        if scope["type"] == "websocket" and scope["path"] == "/graphql":
            scope["app"] = self
            await self._live(WebSocket(scope, receive, send))
        else:
            await super().__call__(scope, receive, send)


def make_app(services: Services, settings: Settings, connections: ClientConnections) -> App:
    """The application on a house that stands."""
    app = App(
        websocket_endpoint(),
        routes=[
            # Routes are tried one after the other.
            Route("/graphql", graphql, methods=METHODS),
            *DOORS,
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *REST_ROUTES,
        ],
        middleware=[_CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.services = services
    app.state.settings = settings
    app.state.groups = Groups()
    app.state.connections = connections
    return app
