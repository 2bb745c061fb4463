"""
GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/.

Clients that accept `application/graphql-response+json` get status codes; the others 200 for everything that
is a well-formed request, as they expect.
"""

from functools import partial
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from models.database import DATABASE_ERRORS
from resolvers.context import Context
from resolvers.errors import BatonError
from schema.context import GraphQLContext
from schema.errors import format_error
from schema.execution import execute_call, run_any
from schema.graphiql import graphiql_page
from schema.operation import read_operation
from server.graphql.sse import event_stream
from server.graphql.state import app_state
from server.http.authentication import SESSION_COOKIE, authenticate
from server.http.problems import headers_of, status_of
from server.http.request_body import MalformedError, read_json

MODERN = "application/graphql-response+json"
_SESSION_SECONDS = 30 * 24 * 3600


async def graphql(request: Request) -> Response:
    """POST runs an operation; GET shows GraphiQL to a browser."""
    if request.method == "GET":
        return _graphiql(request)
    accepted = request.headers.get("accept", "")
    try:
        context = (await authenticate(request)).context
        operation = read_operation(await read_json(request))
    except HTTPException as error:
        fault = {"errors": [format_error(MalformedError(error.detail))]}
        return _answer(fault, error.status_code, accepted)
    except (BatonError, *DATABASE_ERRORS) as error:
        fault = {"errors": [format_error(error)]}
        return _answer(fault, status_of(error), accepted, headers_of(error))
    if "text/event-stream" in accepted:
        groups = app_state(request).groups
        return event_stream(partial(run_any, operation, context, groups), request, context)
    call = GraphQLContext.of(context)
    result = await execute_call(operation, call)
    response = _answer(result, _status(result, accepted), accepted)
    _set_cookie(response, call, context, request)
    return response


def _graphiql(request: Request) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return _answer(
            {"errors": [format_error(MalformedError("Send a POST with a JSON body."))]},
            405,
            "",
            {"Allow": "POST"},
        )
    return HTMLResponse(graphiql_page())


def _status(result: dict[str, Any], accepted: str) -> int:
    # A result without `data` was refused before anything was executed.
    return 400 if "data" not in result and MODERN in accepted else 200


def _answer(
    result: dict[str, Any], status: int, accepted: str, headers: dict[str, str] | None = None
) -> Response:
    kind = MODERN if MODERN in accepted else "application/json"
    return Response(orjson.dumps(result), status, headers, media_type=kind)


def _set_cookie(response: Response, call: GraphQLContext, context: Context, request: Request) -> None:
    if call.session_token is None:
        return
    secure = app_state(request).settings.url.startswith("https://")
    if call.session_token:
        response.set_cookie(
            SESSION_COOKIE,
            call.session_token,
            max_age=_SESSION_SECONDS,
            httponly=True,
            samesite="lax",
            secure=secure,
        )
    else:
        response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="lax", secure=secure)
