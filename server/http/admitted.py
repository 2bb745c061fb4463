"""Requests that hold a place while they are executed."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from server.http.admission import Place
from server.http.authentication import client_address
from server.http.call_report import record_of
from server.http.cookies import SESSION, presented_cookie
from server.http.request_body import receive_body
from server.http.request_headers import header
from server.http.state import call_state

Endpoint = Callable[[Request], Awaitable[Response]]


def admitted(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint, whose requests hold a place until there is a response. Sending it takes none."""

    @wraps(endpoint)
    async def run(request: Request) -> Response:
        async with await place_of(request):
            return await endpoint(request)

    return run


async def place_of(request: Request) -> Place:
    """Return the place that a request holds during an `async with` block, as `Admission.place` does.

    The body is received before, so that a slow client holds no place.
    """
    await receive_body(request)
    state = call_state(request)
    credential = _credential(request, state.settings.url)
    flow = state.admission.flow_of_credential(
        credential, client_address(request), state.services.widget_tokens
    )
    return state.admission.place(flow, record_of(request), credential)


def _credential(request: Request, url: str) -> str:
    """Return the text of the request's credential, valid or not; an empty one if there is none."""
    in_path: str = request.path_params.get("token", "")
    given = header(request, b"authorization") or ""
    return in_path or given.partition(" ")[2].strip() or presented_cookie(request, SESSION, url)
