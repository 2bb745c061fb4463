"""The live socket on the wire: what it answers, how it closes, and that it leaves nothing behind."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
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
from websockets.frames import Frame, Opcode
from websockets.typing import Origin, Subprotocol

from resolvers.actor import Actor
from resolvers.context import Context
from rules.people import Scope, ViewerKind
from schema.execution import Operation
from server import live, operations, origins
from server.live import Pace, live_endpoint
from server.transports import RequestProtocol, SocketProtocol
from server.visits import Visits

pytestmark = pytest.mark.anyio

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
KEY = Actor(ViewerKind.API_KEY, WORKSPACE, frozenset({Scope.CONVERSATIONS_READ}), api_key_id=uuid4())
MEMBER = Actor(ViewerKind.TEAM_MEMBER, WORKSPACE, member_id=uuid4())
CUSTOMER = Actor(ViewerKind.CUSTOMER, WORKSPACE, conversation_id=uuid4())
EXPIRED = replace(CUSTOMER, expired=True)


@dataclass
class Stage:
    """A running server whose credentials and operations are the test's."""

    visits: Visits
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

    async def stream(self, operation: Operation, context: Context) -> AsyncGenerator[dict[str, Any], None]:
        self.running += 1
        self.contexts.append(context)
        try:
            async for result in _results(operation.query):
                yield result
        finally:
            self.running -= 1

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
        frame = await asyncio.wait_for(self.connection.recv(), 10)
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
        """The code and the reason of the close, once it has come."""
        with suppress(ConnectionClosed):
            while True:
                await self.hear()
        close = self.connection.protocol.close_rcvd
        assert close is not None
        return close.code, close.reason


Connect = Callable[..., Awaitable[Client]]
Start = Callable[..., Awaitable[Stage]]


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def _no_database() -> AsyncIterator[None]:
    yield


def _tasks() -> set[asyncio.Task[Any]]:
    """All but the test runner's own, which has another for each fixture and test."""
    return {task for task in asyncio.all_tasks() if "TestRunner" not in repr(task.get_coro())}


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    before = _tasks()
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with AsyncExitStack() as closing:

        async def started(pace: Pace = live.PACE, recheck_seconds: float = 60) -> Stage:
            stage = Stage(Visits(lambda tokens: stage.still_good(tokens), recheck_seconds))
            await closing.enter_async_context(_running(stage, pace, monkeypatch))
            return stage

        yield started
    gc.collect()
    await until(lambda: _tasks() <= before)
    assert unhandled == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@asynccontextmanager
async def _running(stage: Stage, pace: Pace, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async def actor_of(_: object, __: object, token: str) -> Actor | None:
        return stage.actors.get(token)

    async def allowed_origins(_: object, actor: Actor) -> list[str]:
        return ["https://shop.example"]

    monkeypatch.setattr(live, "actor_of", actor_of)
    monkeypatch.setattr(origins, "allowed_origins", allowed_origins)
    monkeypatch.setattr(operations, "stream", stage.stream)
    app = Starlette(routes=[WebSocketRoute("/graphql", live_endpoint(pace))])
    app.state.house = cast(
        Any, SimpleNamespace(database=SimpleNamespace(reading=_no_database), widget_tokens=None)
    )
    app.state.settings = SimpleNamespace(url="https://baton.example/")
    app.state.visits = stage.visits
    config = uvicorn.Config(
        app,
        port=0,
        ws=SocketProtocol,
        http=RequestProtocol,
        ws_max_size=65_536,
        log_config=None,
        lifespan="off",
    )
    stage.server = uvicorn.Server(config)
    tasks = [asyncio.create_task(stage.server.serve()), asyncio.create_task(stage.visits.run())]
    await until(lambda: stage.server and stage.server.started)
    stage.port = stage.server.servers[0].sockets[0].getsockname()[1]
    yield
    await stage.visits.close_all()
    stage.server.should_exit = True
    await asyncio.wait_for(tasks[0], 10)
    tasks[1].cancel()
    assert stage.running == 0
    assert len(stage.visits) == 0


@pytest.fixture
async def connect(start: Start) -> AsyncIterator[Connect]:
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


async def test_results_come_as_they_arise_and_the_operation_completes(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    await client.introduce(Authorization="bearer key")
    await client.subscribe("one", EVENTS)
    heard = [await client.hear() for _ in range(4)]
    payloads = [{"data": {"events": 0}}, {"data": {"events": 1}}, {"data": {"answer": 42}}]
    assert heard[:3] == [{"id": "one", "type": "next", "payload": payload} for payload in payloads]
    assert heard[3] == {"id": "one", "type": "complete"}


async def test_pings_are_answered_from_the_start(start: Start, connect: Connect) -> None:
    client = await connect(await start())
    await client.say(type="ping", payload={"deep": {}})
    assert await client.hear() == {"type": "pong"}
    await client.introduce()
    await client.say(type="pong")
    await client.say(type="ping")
    assert await client.hear() == {"type": "pong"}


@pytest.mark.parametrize("subprotocol", ["graphql-ws", "chat"])
async def test_another_subprotocol_is_not_acceptable(
    start: Start, connect: Connect, subprotocol: str
) -> None:
    client = await connect(await start(), subprotocol)
    assert await client.closed() == (4406, "Subprotocol not acceptable")


async def test_who_says_nothing_is_sent_away(start: Start, connect: Connect) -> None:
    client = await connect(await start(Pace(init=0.05)))
    assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_one_introduction_comes_first(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.subscribe("one")
    assert await client.closed() == (4401, "Unauthorized")
    client = await connect(stage)
    await client.introduce()
    await client.say(type="connection_init")
    assert await client.closed() == (4429, "Too many initialisation requests")


@pytest.mark.parametrize(
    "value", ["Bearer unknown", "Bearer old", "Bearer ", "Basic key", "key", "", 7, ["Bearer key"]]
)
async def test_a_bad_credential_is_forbidden(start: Start, connect: Connect, value: object) -> None:
    client = await connect(await start())
    await client.say(type="connection_init", payload={"AUTHORIZATION": value})
    assert await client.closed() == (4403, "Forbidden")


@pytest.mark.parametrize(
    ("origin", "payload", "caller"),
    [
        (None, {}, MEMBER),
        ("http://{host}", {}, MEMBER),
        ("https://baton.example", {}, MEMBER),
        ("https://evil.example", {}, None),
        ("http://127.0.0.1:1", {}, None),
        ("null", {}, None),
        ("https://evil.example", {"authorization": "Bearer key"}, KEY),
        (None, {"authorization": "Bearer widget"}, CUSTOMER),
        ("http://{host}", {"authorization": "Bearer widget"}, CUSTOMER),
        ("https://shop.example", {"authorization": "Bearer widget"}, CUSTOMER),
    ],
)
async def test_who_calls(
    start: Start, connect: Connect, origin: str | None, payload: dict[str, str], caller: Actor | None
) -> None:
    stage = await start()
    page = origin and Origin(origin.format(host=f"127.0.0.1:{stage.port}"))
    client = await connect(stage, origin=page, additional_headers={"Cookie": "baton_session=cookie"})
    await client.introduce(**payload)
    await client.follow("one")
    assert [(context.caller, context.address) for context in stage.contexts] == [(caller, "127.0.0.1")]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://shop.example", "https://shop.example:8443", "null"]
)
async def test_a_widget_token_is_bound_to_its_sites(start: Start, connect: Connect, origin: str) -> None:
    client = await connect(await start(), origin=Origin(origin))
    await client.say(type="connection_init", payload={"authorization": "Bearer widget"})
    assert await client.closed() == (4403, "Forbidden")


MALFORMED = [
    "",
    "{",
    "7",
    "null",
    "[]",
    '"ping"',
    '{"a":' * 10_000 + "1" + "}" * 10_000,
    "[" * 20_000 + "]" * 20_000,
    '{"type":"ping","payload":"text"}',
    '{"type":"ping","payload":"\\ud800"}',
    "{}",
    '{"type":null}',
    '{"type":["ping"]}',
    '{"type":"start"}',
    '{"type":"next","id":"1","payload":{}}',
    '{"type":"subscribe"}',
    '{"type":"subscribe","id":"1"}',
    '{"type":"subscribe","payload":{"query":"{ a }"}}',
    '{"type":"subscribe","id":1,"payload":{"query":"{ a }"}}',
    '{"type":"subscribe","id":"","payload":{"query":"{ a }"}}',
    '{"type":"subscribe","id":"%s","payload":{"query":"{ a }"}}' % ("i" * 201),
    '{"type":"subscribe","id":"1","payload":"{ a }"}',
    '{"type":"subscribe","id":"1","payload":{}}',
    '{"type":"subscribe","id":"1","payload":{"query":7}}',
    '{"type":"subscribe","id":"1","payload":{"query":"{ a }","variables":[1]}}',
    '{"type":"subscribe","id":"1","payload":{"query":"{ a }","operationName":7}}',
    '{"type":"complete"}',
    b"{}",
]


@pytest.mark.parametrize("frame", MALFORMED)
async def test_a_malformed_frame_closes_the_socket(
    start: Start, connect: Connect, frame: str | bytes
) -> None:
    client = await connect(await start())
    await client.introduce()
    await client.connection.send(frame)
    code, reason = await client.closed()
    assert code == 4400
    assert reason.startswith("Invalid message: ")


async def test_frames_that_are_too_big_or_no_text_at_all(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.connection.send("x" * 65_537)
    assert (await client.closed())[0] == 1009
    client = await connect(stage)
    client.connection.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
    assert (await client.closed())[0] == 4400


async def test_an_id_is_free_again_once_its_operation_is_over(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce()
    for _ in range(3):
        await client.subscribe("one", "{ answer }")
        assert [(await client.hear())["type"] for _ in range(2)] == ["next", "complete"]
        await client.follow("two")
        await client.say(id="two", type="complete")
    await client.say(id="unknown", type="complete")
    id_ = "é" * 200
    await client.follow(id_)
    assert stage.running == 1
    await client.subscribe(id_)
    code, reason = await client.closed()
    assert code == 4409
    assert reason.startswith("Subscriber for éé")
    await until(lambda: stage.running == 0)


async def test_complete_stops_one_operation_at_once(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce()
    await client.follow("one")
    await client.follow("two")
    assert stage.running == 2
    await client.say(id="one", type="complete")
    await until(lambda: stage.running == 1)
    await client.follow("three")


async def test_what_fails_ends_its_own_operation(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce()
    await client.follow("stays")
    await client.subscribe("refused", REFUSED)
    payload = [{"message": "No.", "extensions": {"code": "FORBIDDEN"}}]
    assert await client.hear() == {"id": "refused", "type": "error", "payload": payload}
    for query, nexts in {BROKEN: 0, BROKEN_LATER: 2, UNWRITABLE: 0}.items():
        await client.subscribe("broken", query)
        heard = [await client.hear() for _ in range(nexts + 1)]
        assert [one["type"] for one in heard] == ["next"] * nexts + ["error"]
        (error,) = heard[-1]["payload"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["requestId"]
        assert "secret" not in error["message"]
        assert "64-bit" not in error["message"]
    await client.subscribe("empty", "")
    assert (await client.hear())["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert stage.running == 1


async def test_a_socket_runs_a_hundred_operations_at_once(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce()
    for number in range(100):
        await client.follow(str(number))
    await client.subscribe("over")
    heard = await client.hear()
    assert (heard["id"], heard["type"]) == ("over", "error")
    assert heard["payload"][0]["extensions"] == {"code": "RATE_LIMITED"}
    await client.say(id="7", type="complete")
    await client.follow("over")
    assert stage.running == 100


async def test_ten_thousand_operations_one_after_another(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce()
    before = _tasks()
    for _ in range(5_000):
        await client.subscribe("one", "{ answer }")
        assert (await client.hear())["type"] == "next"
        assert (await client.hear())["type"] == "complete"
    for _ in range(5_000):
        await client.subscribe("one")
        await client.say(id="one", type="complete")
    await client.subscribe("last", "{ answer }")
    while await client.hear() != {"id": "last", "type": "complete"}:
        pass
    assert stage.running == 0
    await until(lambda: _tasks() <= before)


async def test_a_client_that_vanishes_leaves_nothing(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    await client.follow("one")
    client.connection.transport.abort()
    await until(lambda: stage.running == 0 and len(stage.visits) == 0)


async def test_a_client_that_takes_nothing_is_dropped(start: Start, connect: Connect) -> None:
    stage = await start(Pace(patience=0.3))
    slow, other = await connect(stage, max_queue=1), await connect(stage)
    for client in (slow, other):
        await client.introduce()
    for number in range(10):
        await slow.subscribe(str(number), FLOOD)
    await until(lambda: stage.running == 10)
    assert stage.server is not None
    while stage.running:
        await other.subscribe("one", "{ answer }")
        assert [(await other.hear())["type"] for _ in range(2)] == ["next", "complete"]
    # Its transport is gone too, though its buffers never drained.
    await until(lambda: stage.server and len(stage.server.server_state.connections) == 1)


async def test_who_is_slow_but_takes_is_served(start: Start, connect: Connect) -> None:
    stage = await start(Pace(patience=0.3))
    client = await connect(stage, max_queue=1)
    await client.introduce()
    await client.subscribe("one", FLOOD)
    for _ in range(100):
        assert (await client.hear())["type"] == "next"
        await asyncio.sleep(0.01)
    await client.say(id="one", type="complete")
    await until(lambda: stage.running == 0)


async def test_the_end_of_a_credential_ends_its_sockets(start: Start, connect: Connect) -> None:
    stage = await start(recheck_seconds=0.02)
    anonymous, ended, twin, lives = [await connect(stage) for _ in range(4)]
    await anonymous.introduce()
    for client in (ended, twin):
        await client.introduce(authorization="Bearer key")
        await client.follow("one")
    await lives.introduce(authorization="Bearer other")
    await until(lambda: stage.asked[-1:] == [["key", "other"]])
    del stage.actors["key"]
    for client in (ended, twin):
        assert await client.closed() == (4403, "Forbidden")
    await until(lambda: stage.asked[-1:] == [["other"]])
    assert stage.running == 0
    await lives.follow("one")
    stage.actors["other"] = replace(KEY, scopes=frozenset())
    assert await lives.closed() == (4403, "Forbidden")
    await anonymous.follow("one")


async def test_a_recheck_that_fails_ends_nobody(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await start(recheck_seconds=0.02)
    client = await connect(stage)
    await client.introduce(authorization="Bearer key")
    failed = asyncio.Event()

    async def fail(_: Collection[str]) -> Mapping[str, Actor]:
        failed.set()
        raise ConnectionError

    with monkeypatch.context() as patching:
        patching.setattr(stage, "still_good", fail)
        await failed.wait()
    asked = len(stage.asked)
    await until(lambda: len(stage.asked) > asked + 1)
    await client.follow("one")


async def test_a_shutdown_says_so_to_everybody(start: Start, connect: Connect) -> None:
    stage = await start()
    silent, idle, busy = [await connect(stage) for _ in range(3)]
    for client in (idle, busy):
        await client.introduce(authorization="Bearer key")
    await busy.follow("one")
    await stage.visits.close_all()
    assert len(stage.visits) == stage.running == 0
    late = await connect(stage)
    for client in (silent, idle, busy, late):
        assert await client.closed() == (1012, "Service restart")


async def test_a_shutdown_waits_for_no_stuck_client(start: Start, connect: Connect) -> None:
    stage = await start(Pace(goodbye=0.1))
    client = await connect(stage, max_queue=1)
    await client.introduce()
    await client.subscribe("one", FLOOD)
    assert stage.server is not None
    await until(lambda: stage.running == 1)
    await stage.visits.close_all()
    await until(lambda: stage.server and not stage.server.server_state.connections)
