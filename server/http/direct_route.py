"""A route whose POST requests bypass Starlette's router and error middleware, which take 8 % of a mutation.

Other methods, and paths below a prefix, take the usual way through the application. Of requests without an
origin, which programs send, the middleware for CORS would only look for one, and add `Vary` to the answer.
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http.problems import answer_unexpected, client_disconnected
from server.http.request_headers import headers_by_name


class DirectRoute:
    """The POST requests of a route of the application; those with an origin within the middleware for CORS.

    The endpoint answers all expected errors itself.
    """

    def __init__(self, route: Route, cors: Middleware) -> None:
        self._route = route
        self._serve_shared: ASGIApp = cors.cls(self._serve, *cors.args, **cors.kwargs)

    def serves(self, scope: Scope) -> bool:
        """Return whether a request is one of these."""
        return scope["method"] == "POST" and scope["path"] == self._route.path and not scope.get("root_path")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        scope["route"], scope["endpoint"], scope["path_params"] = self._route, self._route.endpoint, {}
        if b"origin" in headers_by_name(scope):
            await self._serve_shared(scope, receive, send)
        else:
            # The header that the middleware would add.
            await self._serve(scope, receive, send, ((b"vary", b"Origin"),))

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, added: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
            response.raw_headers += added
            await response(scope, receive, send)
        except Exception as error:
            # The answer has begun: the connection is closed, and the error is only logged.
            await answer_unexpected(request, error)
            raise

    async def _answer(self, request: Request) -> Response:
        try:
            answer: Response = await self._route.endpoint(request)
        except ClientDisconnect as error:
            return await client_disconnected(request, error)
        except Exception as error:
            return await answer_unexpected(request, error)
        return answer
