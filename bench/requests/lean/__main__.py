"""`python -m bench.requests.lean PORT URL HOW`: one of the lean servers, on the database at URL.

HOW is `auth`, which writes in five round trips, `opt`, which writes in two, or `four`, which lists.
"""

import gc
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import orjson
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from bench.requests.lean.acts import Acts
from bench.requests.lean.lists import Lists
from bench.requests.lean.wakeups import Wakeups
from bench.server_under_test import HOST
from models.row_scope import EVERY_WORKSPACE

CONNECTIONS = 20
# Those of Baton's transactions; with row-level security, the rows of all workspaces.
_SETTINGS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "10s",
    "lock_timeout": "2900ms",
    "baton.workspace": EVERY_WORKSPACE,
}
Handler = Callable[[str, Mapping[str, Any]], Awaitable[bytes]]


class App:
    """Answers POST requests with the handler of the operation's name."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message.get("more_body", False)
        token = next(value for name, value in scope["headers"] if name == b"authorization").decode()
        try:
            answer = await self._answer(token.removeprefix("Bearer "), orjson.loads(body))
        except Exception as error:
            answer = orjson.dumps({"errors": [{"message": repr(error)}]})
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, token: str, asked: Mapping[str, Any]) -> bytes:
        _, name, _ = asked["query"].split(None, 2)
        return await self._handlers[name.partition("(")[0]](token, asked["variables"].get("input"))


async def serve(port: int, url: str, how: str) -> None:
    """Serve until the process is ended."""
    pool = asyncpg.create_pool(
        url, min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_nothing, server_settings=_SETTINGS
    )
    async with pool:
        acts = Acts(pool, Wakeups(await asyncpg.connect(url)))
        handlers: Mapping[str, Mapping[str, Handler]] = {
            "auth": {"RecordMessage": acts.record, "Reply": acts.reply},
            "opt": {"RecordMessage": acts.record_unlocked, "Reply": acts.reply_unlocked},
            "four": {"Escalations": Lists(pool).escalations},
        }
        app = App(handlers[how])
        config = uvicorn.Config(
            app,
            HOST,
            port,
            http="httptools",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)  # as Baton does
        await uvicorn.Server(config).serve()


async def _nothing(_: asyncpg.Connection) -> None:
    """Return a connection to the pool as it is: no handler changes its settings."""


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), *sys.argv[2:4]))
