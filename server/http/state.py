"""The typed state of the application that every endpoint may use."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from resolvers.context import Services
from server.database_probe import DatabaseProbe
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class HttpState:
    """The services, the settings and the probe of the process.

    `server.graphql.state` adds what its transports share.
    """

    services: Services
    settings: Settings
    probe: DatabaseProbe


def http_state(connection: HTTPConnection) -> HttpState:
    """Return the state of the application that serves a request or a WebSocket."""
    return cast(HttpState, connection.app.state)
