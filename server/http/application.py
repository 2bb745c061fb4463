"""An ASGI application with allowed hosts, security headers and a report of each request."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from server.http.call_report import HttpReport
from server.http.direct_route import DirectRoute
from server.http.hosts import AllowedHosts
from server.http.log_context import begin_log_context
from server.http.problems import answer_cut_off, answer_refused
from server.http.response_headers import ResponseHeaders
from server.http.state import HttpState


class App(Starlette):
    """The routes, with allowed hosts, and with security headers and the log context of each request.

    `live` serves WebSockets at /graphql.
    WebSockets bypass the middleware: they stay open for hours, and each layer around one would stay, too.
    The requests of the `direct` route bypass it because they are many.
    """

    def __init__(
        self,
        live: Callable[[WebSocket], Awaitable[None]] | None,
        state: HttpState,
        direct: DirectRoute | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        # A redirect would name the host that the caller has made up, and lose the body of a POST.
        self.router.redirect_slashes = False
        self._live = live
        self._direct = direct
        self._hosts = AllowedHosts.of(state.settings)
        self._headers = ResponseHeaders(self.routes, is_https=state.settings.url.startswith("https://"))
        self.state = cast(State, state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection."""
        if scope["type"] == "http":
            begin_log_context()
            # Starlette raises an answered error again, and the server would log it a second time.
            with suppress(Exception), HttpReport(scope) as report:

                def send_with_headers(message: Message) -> Awaitable[None]:
                    if message["type"] == "http.response.start":
                        report.add_to(message)
                        self._headers.add_to(message, scope)
                    return send(message)

                try:
                    await self._answer(scope, receive, send_with_headers)
                except asyncio.CancelledError:
                    # uvicorn cancels the calls that still run when the time for stopping is over.
                    if report.has_begun:
                        raise
                    response = await answer_cut_off(Request(scope))
                    await response(scope, receive, send_with_headers)
        elif scope["type"] == "websocket" and (refusal := self._hosts.refusal(scope)):
            await send({"type": "websocket.http.response.start", "status": refusal[0], "headers": []})
        elif scope["type"] == "websocket" and scope["path"] == "/graphql" and self._live:
            scope["app"] = self
            await self._live(WebSocket(scope, receive, send))
        else:
            await super().__call__(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := self._hosts.refusal(scope):
            response = await answer_refused(Request(scope), HTTPException(*refusal))
            await response(scope, receive, send)
        elif self._direct and self._direct.serves(scope):
            scope["app"] = self
            await self._direct(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
