"""The typed state of the application that every endpoint may use."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from resolvers.context import Services
from server.database_probe import DatabaseProbe
from server.http.admission import Admission
from server.settings import Settings


@dataclass(frozen=True, slots=True)
class HttpState:
    """The services, the settings and the probe of the process.

    `CallState` and `server.graphql.state` add what their endpoints share.
    """

    services: Services
    settings: Settings
    probe: DatabaseProbe


@dataclass(frozen=True, slots=True)
class CallState(HttpState):
    """The state of an application that executes calls: also their queue."""

    admission: Admission


def http_state(connection: HTTPConnection) -> HttpState:
    """Return the state of the application that serves a request or a WebSocket."""
    return cast(HttpState, connection.app.state)


def call_state(connection: HTTPConnection) -> CallState:
    """Return the state of the application that executes the calls of a connection."""
    return cast(CallState, connection.app.state)
