"""A server with only the WebSocket endpoint, and its clients."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from rules.roles import Scope
from schema.live.event_buffer import EncodedBatch
from schema.live.group_member import Sink
from schema.live.groups import Groups
from schema.operation import Operation
from server.graphql import operations, websocket
from server.graphql.client_connections import ClientConnections
from server.graphql.uvicorn_protocols import RequestProtocol
from server.graphql.websocket import Timeouts, websocket_endpoint
from server.graphql.websocket_protocol import WebSocketProtocol
from server.http import origins
from server.http.admission import Admission
from tests.support.baton_client import DEADLINE

SUBPROTOCOL = "graphql-transport-ws"
ENDLESS, EVENTS, REFUSED, BROKEN, BROKEN_LATER, FLOOD, UNWRITABLE = (
    "subscription { endless }",
    "subscription { events }",
    "subscription { refused }",
    "subscription { broken }",
    "subscription { brokenLater }",
    "subscription { flood }",
    "{ unwritable }",
)
WORKSPACE = uuid4()
KEY = Actor(ActorKind.API_KEY, WORKSPACE, frozenset({Scope.CONVERSATIONS_READ}), api_key_id=uuid4())
MEMBER = Actor(ActorKind.TEAM_MEMBER, WORKSPACE, member_id=uuid4())
CUSTOMER = Actor(ActorKind.CUSTOMER, WORKSPACE, conversation_id=uuid4())
EXPIRED = replace(CUSTOMER, expired=True)


@dataclass
class Stage:
    """A running server whose credentials and operations are the test's."""

    connections: ClientConnections
    port: int = 0
    server: uvicorn.Server | None = None
    actors: dict[str, Actor] = field(
        default_factory=lambda: {
            "key": KEY,
            "other": KEY,
            "cookie": MEMBER,
            "widget": CUSTOMER,
            "old": EXPIRED,
        }
    )
    asked: list[list[str]] = field(default_factory=list)
    running: int = 0
    contexts: list[Context] = field(default_factory=list)

    async def run(
        self, operation: Operation, context: Context, listener: Sink
    ) -> list[dict[str, Any]] | None:
        self.running += 1
        self.contexts.append(context)
        try:
            async with aclosing(_results(operation.query)) as results:
                async for result in results:
                    if "data" not in result:
                        return cast("list[dict[str, Any]]", result["errors"])
                    await listener.put(EncodedBatch([orjson.dumps(result)]))
        finally:
            self.running -= 1
        return None

    async def still_good(self, tokens: Collection[str]) -> Mapping[str, Actor]:
        self.asked.append(sorted(tokens))
        return self.actors


async def _results(query: str) -> AsyncGenerator[dict[str, Any], None]:
    if query in {BROKEN, REFUSED}:
        if query == BROKEN:
            raise LookupError("a secret of ours")
        yield {"errors": [{"message": "No.", "extensions": {"code": "FORBIDDEN"}}]}
    if query == UNWRITABLE:
        yield {"data": {"unwritable": 2**70}}
    if query in {EVENTS, BROKEN_LATER, ENDLESS}:
        for number in range(2):
            yield {"data": {"events": number}}
        if query == BROKEN_LATER:
            raise LookupError("a secret of ours")
        if query == ENDLESS:
            await asyncio.Event().wait()
    while query == FLOOD:
        yield {"data": {"flood": "x" * 60_000}}
    yield {"data": {"answer": 42}}


class Client:
    """A client's end of a socket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(orjson.dumps(message).decode())

    async def hear(self) -> Any:
        frame = await asyncio.wait_for(self.connection.recv(), DEADLINE)
        assert isinstance(frame, str)
        return orjson.loads(frame)

    async def introduce(self, **payload: Any) -> None:
        await self.say(type="connection_init", payload=payload)
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str = ENDLESS) -> None:
        await self.say(id=id_, type="subscribe", payload={"query": query})

    async def follow(self, id_: str) -> None:
        await self.subscribe(id_)
        assert [(await self.hear())["id"] for _ in range(2)] == [id_, id_]

    async def closed(self) -> tuple[int, str]:
        """Wait for the close and return its code and reason."""
        with suppress(ConnectionClosed):
            while True:
                await self.hear()
        close = self.connection.protocol.close_rcvd
        assert close is not None
        return close.code, close.reason


Connect = Callable[..., Awaitable[Client]]
Start = Callable[..., Awaitable[Stage]]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


def tasks_now() -> set[asyncio.Task[Any]]:
    """All but the test runner's own, which has another for each fixture and test."""
    return {task for task in asyncio.all_tasks() if "TestRunner" not in repr(task.get_coro())}


@asynccontextmanager
async def starting(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    """Run servers for a test, and assert that no task, unread failure or error line remains."""
    before = tasks_now()
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with AsyncExitStack() as closing:

        async def started(timeouts: Timeouts = websocket.TIMEOUTS, recheck_seconds: float = 60) -> Stage:
            stage = Stage(ClientConnections(lambda tokens: stage.still_good(tokens), recheck_seconds))
            await closing.enter_async_context(_running(stage, timeouts, monkeypatch))
            return stage

        yield started
    gc.collect()
    await until(lambda: tasks_now() <= before)
    assert unhandled == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@asynccontextmanager
async def _running(stage: Stage, timeouts: Timeouts, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async def identify_caller(_: object, token: str, __: object) -> Actor | None:
        return stage.actors.get(token)

    async def allowed_origins(_: object, actor: Actor) -> list[str]:
        return ["https://shop.example"]

    monkeypatch.setattr(websocket, "identify_caller", identify_caller)
    monkeypatch.setattr(origins, "allowed_origins", allowed_origins)
    monkeypatch.setattr(operations, "run", stage.run)
    monkeypatch.setattr(operations, "is_subscription", lambda *_: False)
    app = Starlette(routes=[WebSocketRoute("/graphql", websocket_endpoint(timeouts))])
    app.state.services = cast(
        Any, SimpleNamespace(database=SimpleNamespace(), widget_tokens=None, session_idle=timedelta(hours=12))
    )
    app.state.services.of_workspace = lambda _: app.state.services
    app.state.settings = SimpleNamespace(url="https://baton.example/")
    app.state.admission = Admission(10_000, 10_000, 10_000)
    app.state.groups = Groups()
    app.state.connections = stage.connections
    config = uvicorn.Config(
        app,
        port=0,
        ws=WebSocketProtocol,
        http=RequestProtocol,
        ws_max_size=65_536,
        log_config=None,
        lifespan="off",
    )
    stage.server = uvicorn.Server(config)
    tasks = [asyncio.create_task(stage.server.serve()), asyncio.create_task(stage.connections.run())]
    await until(lambda: stage.server and stage.server.started)
    stage.port = stage.server.servers[0].sockets[0].getsockname()[1]
    yield
    await stage.connections.close_all()
    stage.server.should_exit = True
    await asyncio.wait_for(tasks[0], DEADLINE)
    tasks[1].cancel()
    assert stage.running == 0
    assert len(stage.connections) == 0


@asynccontextmanager
async def connecting() -> AsyncIterator[Connect]:
    """Open clients for a test, and close them at its end."""
    async with AsyncExitStack() as closing:

        async def connected(stage: Stage, subprotocol: str = SUBPROTOCOL, **options: Any) -> Client:
            opened = open_websocket(
                f"ws://127.0.0.1:{stage.port}/graphql",
                subprotocols=[Subprotocol(subprotocol)],
                compression=None,
                proxy=None,
                close_timeout=1,
                **options,
            )
            return Client(await closing.enter_async_context(opened))

        yield connected
