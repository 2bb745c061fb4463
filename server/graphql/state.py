"""The typed state of the application, as the GraphQL transports use it."""

from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from schema.live.groups import Groups
from server.graphql.client_connections import ClientConnections
from server.http.state import CallState


@dataclass(frozen=True, slots=True)
class AppState(CallState):
    """The whole state: also the groups of subscribers, and the open client connections."""

    groups: Groups
    connections: ClientConnections


def app_state(connection: HTTPConnection) -> AppState:
    """Return the state of the application that serves a request or a WebSocket."""
    return cast(AppState, connection.app.state)
