"""The ASGI application: its routes and its state."""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route

from schema.live.groups import Groups
from server.graphql.client_connections import ClientConnections
from server.graphql.http import METHODS, graphql
from server.graphql.state import AppState
from server.graphql.websocket import websocket_endpoint
from server.http.admission import Admission
from server.http.application import App
from server.http.confirm_recipient import confirm_recipient
from server.http.dashboard import ROUTES as DASHBOARD
from server.http.direct_route import DirectRoute
from server.http.graphiql import ROUTES as GRAPHIQL
from server.http.health import ROUTES as PROBES
from server.http.problems import EXCEPTION_HANDLERS
from server.http.security_contact import security_txt
from server.http.widget_files import WidgetFiles
from server.oidc.routes import SignInRoutes
from server.rest.routes import ROUTES as REST_ROUTES
from server.services import ProcessServices
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


_GRAPHQL = Route("/graphql", graphql, methods=METHODS)


def routes_of(settings: Settings) -> list[BaseRoute]:
    """Return the routes of every server."""
    return [
        # The most frequent first: routes are tried in this order.
        _GRAPHQL,
        *WidgetFiles(settings.web_dir / "widget").routes,
        *DASHBOARD,
        *GRAPHIQL,
        *PROBES,
        Route("/.well-known/security.txt", security_txt),
        Route("/confirm-recipient", confirm_recipient, methods=["GET", "POST"]),
        *SignInRoutes(settings).routes,
        *REST_ROUTES,
    ]


def admission_of(settings: Settings) -> Admission:
    """Return the queue of calls."""
    return Admission(
        settings.concurrent_requests, settings.waiting_requests, settings.requests_per_conversation
    )


def make_app(
    opened: ProcessServices,
    settings: Settings,
    connections: ClientConnections,
    more: Sequence[BaseRoute] = (),
) -> App:
    """Return the application on running services, with `more` routes than every server has."""
    return App(
        websocket_endpoint(),
        AppState(opened.services, settings, opened.probe, admission_of(settings), Groups(), connections),
        DirectRoute(_GRAPHQL, _CORS),
        routes=[*routes_of(settings), *more],
        middleware=[_CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )
