"""Requests that hold a place while they are executed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from server.http.admission import UNKNOWN
from server.http.authentication import client_address
from server.http.call_report import record_of
from server.http.cookies import SESSION, presented_cookie
from server.http.request_body import receive_body
from server.http.state import call_state

Endpoint = Callable[[Request], Awaitable[Response]]


def admitted(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint, whose requests hold a place until there is a response. Sending it takes none."""

    @wraps(endpoint)
    async def run(request: Request) -> Response:
        async with place_of(request):
            return await endpoint(request)

    return run


@asynccontextmanager
async def place_of(request: Request) -> AsyncIterator[None]:
    """Hold a place during the block; raises UnavailableError and RateLimitedError, as `Admission` does.

    The body is received before, so that a slow client holds no place.
    """
    await receive_body(request)
    state, record = call_state(request), record_of(request)
    credential = _credential(request, state.settings.url)
    flow = state.admission.flow_of_credential(
        credential, client_address(request), state.services.widget_tokens
    )
    async with state.admission.place(flow, record):
        yield
        if record.caller and flow.workspace is UNKNOWN:
            state.admission.remember(credential, record.caller)


def _credential(request: Request, url: str) -> str:
    """Return the text of the request's credential, valid or not; an empty one if there is none."""
    in_path: str = request.path_params.get("token", "")
    header = request.headers.get("authorization", "")
    return in_path or header.partition(" ")[2].strip() or presented_cookie(request, SESSION, url)
