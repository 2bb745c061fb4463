"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/.

Clients that accept `application/graphql-response+json` get status codes. Others get 200 for every well-formed
request, as they expect.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from models.database import DATABASE_ERRORS
from resolvers.context import Context
from resolvers.credentials import SESSION_LIFETIME
from resolvers.device_tokens import DEVICE_LIFETIME
from resolvers.errors import BatonError, ErrorCode, ForbiddenError, RateLimitedError
from schema.context import GraphQLContext
from schema.errors import format_error
from schema.execution import execute_call, run_any
from schema.live.group_member import Sink
from schema.live.subscription_plan import is_subscription
from schema.operation import MutationByGetError, Operation, read_operation
from server.graphql.sse import event_stream
from server.graphql.state import AppState, app_state
from server.http.admitted import place_of
from server.http.authentication import AuthenticatedCall, authenticate
from server.http.cookies import DEVICE, SESSION, delete_cookie, set_cookie
from server.http.graphiql import graphiql_page
from server.http.problems import headers_of, status_of
from server.http.request_body import MalformedError, read_json
from server.http.request_headers import header, headers_by_name

MODERN = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
METHODS = ["GET", "POST", "PUT", "DELETE"]

# A form, a link or an image of another site can send none of these.
_PREFLIGHT_HEADERS = ("apollo-require-preflight", "x-requested-with")
_STREAM_TOKEN = b"x-graphql-event-stream-token"


async def graphql(request: Request) -> Response:
    """Run the operation of a POST or a GET; show GraphiQL to a browser if it is on."""
    accepted = (header(request, b"accept") or "").lower()
    if request.method == "GET" and "text/html" in accepted and MODERN not in accepted:
        return graphiql_page(request)
    try:
        _refuse_single_connection(request)
        async with await place_of(request):
            call = await authenticate(request)
            operation = await _read_operation(request, call.context)
            return await _answer_operation(request, call, operation, accepted)
    except HTTPException as error:
        result = {"errors": [format_error(MalformedError(error.detail))]}
        return _response(result, error.status_code, accepted)
    except MutationByGetError as error:
        return _response({"errors": [format_error(error)]}, 405, accepted, {"Allow": "POST"})
    except BatonError as error:
        result, status = {"errors": [format_error(error)]}, _error_status(error, accepted)
        return _response(result, status, accepted, headers_of(error))
    except DATABASE_ERRORS as error:
        result = {"errors": [format_error(error)]}
        return _response(result, status_of(error), accepted, headers_of(error))


def _refuse_single_connection(request: Request) -> None:
    """Raise HTTPException for graphql-sse's single connection mode and for unknown methods."""
    reserves = request.method in {"PUT", "DELETE"}
    if reserves or _STREAM_TOKEN in headers_by_name(request.scope):
        raise HTTPException(
            # That client shows the status and not the body.
            501 if reserves else 400,
            "graphql-sse's single connection mode is not supported: create the client without "
            "singleConnection, so that each operation has a request of its own.",
        )


async def _read_operation(request: Request, context: Context) -> Operation:
    if request.method == "POST":
        return read_operation(await read_json(request), context.services)
    _require_preflight(request, context)
    return read_operation(_query_parameters(request), context.services, read_only=True)


def _require_preflight(request: Request, context: Context) -> None:
    """Raise ForbiddenError for a GET that any page could make a browser send with the session cookie."""
    if context.caller is None or "authorization" in request.headers:
        return
    headers = request.headers
    is_safe = (
        any(headers.get(name) for name in _PREFLIGHT_HEADERS)
        or MODERN in headers.get("accept", "").lower()
        or MODERN in headers.get("content-type", "")
        or headers.get("sec-fetch-site") == "same-origin"
    )
    if not is_safe:
        raise ForbiddenError(
            "A GET with the session cookie needs the header X-Requested-With or Apollo-Require-Preflight, "
            f"or Accept: {MODERN}."
        )


def _query_parameters(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError as error:
                raise MalformedError(f"is not JSON: {error.msg}", name) from None
        else:
            parameters.pop(name, None)
    return parameters


async def _answer_operation(
    request: Request, call: AuthenticatedCall, operation: Operation, accepted: str
) -> Response:
    context = call.context
    if EVENT_STREAM in accepted:
        state = app_state(request)
        if not state.connections.has_room(context.caller):
            raise RateLimitedError("A conversation has at most 5 connections: close some first.")
        return event_stream(partial(_run_streamed, state, operation, context), request, call)
    graphql_context = GraphQLContext.of(context)
    result = await execute_call(operation, graphql_context)
    headers = _retry_after(result) | ({"Cache-Control": "no-store"} if request.method == "GET" else {})
    response = _response(result, _status(result, accepted), accepted, headers)
    _set_cookies(response, graphql_context, request)
    return response


async def _run_streamed(
    state: AppState, operation: Operation, context: Context, sink: Sink
) -> list[dict[str, Any]] | None:
    """Run an operation of an event stream; a query or a mutation holds a place, a subscription none."""
    if is_subscription(operation, context):
        return await run_any(operation, context, state.groups, sink)
    flow = state.admission.flow_of(context.caller, context.address)
    async with state.admission.place(flow, context.record):
        return await run_any(operation, context, state.groups, sink)


def _retry_after(result: dict[str, Any]) -> dict[str, str]:
    """Return the header Retry-After for fields that were tried too often, with the longest wait."""
    waits = [
        seconds
        for error in result.get("errors", ())
        if (seconds := error["extensions"].get("retryAfter")) is not None
    ]
    return {"Retry-After": str(max(waits))} if waits else {}


def _status(result: dict[str, Any], accepted: str) -> int:
    if MODERN not in accepted:
        return 200
    # A result without `data` was refused before anything was executed.
    if "data" not in result:
        return 400
    return 503 if _is_unavailable(result) else 200


def _is_unavailable(result: dict[str, Any]) -> bool:
    """Return whether no field could be executed now, so that the whole request may be sent again."""
    codes = {error["extensions"]["code"] for error in result.get("errors", ())}
    return codes == {ErrorCode.UNAVAILABLE} and not any(map(bool, (result["data"] or {}).values()))


def _error_status(error: BatonError, accepted: str) -> int:
    if error.code is ErrorCode.PERSISTED_QUERY_NOT_SUPPORTED:
        # Some clients look for this error only in a response that has no error status.
        return 400 if MODERN in accepted else 200
    return status_of(error)


def _response(
    result: dict[str, Any], status: int, accepted: str, headers: Mapping[str, str] | None = None
) -> Response:
    media_type = MODERN if MODERN in accepted else "application/json"
    return Response(orjson.dumps(result), status, headers, media_type=media_type)


def _set_cookies(response: Response, graphql_context: GraphQLContext, request: Request) -> None:
    url = app_state(request).settings.url
    if graphql_context.session_token:
        set_cookie(response, SESSION, graphql_context.session_token, SESSION_LIFETIME, url)
    elif graphql_context.session_token is not None:
        delete_cookie(response, SESSION, url)
    if graphql_context.device_token:
        set_cookie(response, DEVICE, graphql_context.device_token, DEVICE_LIFETIME, url)
