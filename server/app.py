"""The application: routes, and what stands behind them."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from resolvers.context import House
from schema.groups import Groups
from server.doors import ROUTES as DOORS
from server.graphql import graphql
from server.health import healthz, metrics, readyz
from server.live import live_endpoint
from server.problems import EXCEPTION_HANDLERS
from server.rest import ROUTES as REST_ROUTES
from server.settings import Settings
from server.visits import Visits

# Any page may call with a token of its own; what a widget token may be used from is checked with the token,
# and cookies are not shared: credentials are not allowed.
_CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PATCH"],
    allow_headers=["authorization", "content-type", "idempotency-key"],
    expose_headers=["link", "retry-after"],
    max_age=3600,
)


def make_app(house: House, settings: Settings, visits: Visits) -> Starlette:
    """The application on a house that stands."""
    app = Starlette(
        routes=[
            *DOORS,
            Route("/graphql", graphql, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", live_endpoint()),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            *REST_ROUTES,
        ],
        middleware=[_CORS],
        exception_handlers=EXCEPTION_HANDLERS,
    )
    app.state.house = house
    app.state.settings = settings
    app.state.groups = Groups()
    app.state.visits = visits
    return app
