"""The live socket on the wire: what it answers, whom it takes a client for, and how it closes."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.typing import Origin

from resolvers.actor import Actor
from server.graphql.websocket import Timeouts
from tests.support.websocket_server import CUSTOMER, EVENTS, KEY, MEMBER, Connect, Start

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


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


async def test_client_that_sends_nothing_is_closed(start: Start, connect: Connect) -> None:
    client = await connect(await start(Timeouts(init=0.05)))
    assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_connection_without_credential_ends_soon_and_one_with_a_credential_stays(
    start: Start, connect: Connect
) -> None:
    stage = await start(Timeouts(init=0.1, anonymous=0.1))
    anonymous, authenticated = await connect(stage), await connect(stage)
    await authenticated.introduce(authorization="Bearer key")
    await anonymous.introduce()
    reason = "Unauthorized: a connection without credential ends after 15 s"
    assert await anonymous.closed() == (4401, reason)
    await authenticated.follow("one")


async def test_missing_or_repeated_init_closes_the_socket(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.subscribe("one")
    assert await client.closed() == (4401, "Unauthorized")
    client = await connect(stage)
    await client.introduce()
    await client.say(type="connection_init")
    assert await client.closed() == (4429, "Too many initialisation requests")


UNKNOWN = "the credential is unknown or was revoked"
MALFORMED_CREDENTIAL = 'authorization must be "Bearer" and a token'


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Bearer unknown", UNKNOWN),
        ("Bearer baton_ss_unknown", "the session has ended"),
        ("Bearer old", "the credential has expired"),
        *((value, MALFORMED_CREDENTIAL) for value in ("Bearer ", "Basic key", "key", "", 7, ["Bearer key"])),
    ],
)
async def test_bad_credential_is_forbidden_with_the_reason(
    start: Start, connect: Connect, value: object, reason: str
) -> None:
    client = await connect(await start())
    await client.say(type="connection_init", payload={"AUTHORIZATION": value})
    assert await client.closed() == (4403, f"Forbidden: {reason}")


@pytest.mark.parametrize(
    "payload", [{"token": "key"}, {"headers": {"authorization": "Bearer key"}}, {"x" * 500: 1}]
)
async def test_init_of_an_unknown_shape_is_refused_in_words(
    start: Start, connect: Connect, payload: dict[str, object]
) -> None:
    client = await connect(await start())
    await client.say(type="connection_init", payload=payload)
    code, reason = await client.closed()
    assert code == 4400
    hint = 'Invalid message: connection_init takes {"authorization": "Bearer TOKEN"}, and not "'
    assert reason.startswith(hint + next(iter(payload))[:20])


@pytest.mark.parametrize(
    ("payload", "cookie", "caller"),
    [
        ({"authorization": None}, "", None),
        # Tools send other headers along.
        ({"x-request-id": "1", "Authorization": "Bearer key"}, "", KEY),
        ({"x-request-id": "1"}, "__Host-baton_session=cookie", MEMBER),
    ],
)
async def test_init_with_other_fields_is_taken_if_its_credential_is_clear(
    start: Start, connect: Connect, payload: dict[str, object], cookie: str, caller: Actor | None
) -> None:
    stage = await start()
    page = Origin(f"http://127.0.0.1:{stage.port}")
    client = await connect(stage, origin=page, additional_headers={"Cookie": cookie})
    await client.introduce(**payload)
    await client.follow("one")
    assert [context.caller for context in stage.contexts] == [caller]


@pytest.mark.parametrize(
    ("origin", "payload", "caller"),
    [
        (None, {}, None),
        ("http://{host}", {}, MEMBER),
        ("https://baton.example", {}, MEMBER),
        ("https://{host}", {}, None),
        ("https://evil.example", {}, None),
        ("http://127.0.0.1:1", {}, None),
        ("null", {}, None),
        ("https://evil.example", {"authorization": "Bearer key"}, KEY),
        (None, {"authorization": "Bearer widget"}, CUSTOMER),
        ("http://{host}", {"authorization": "Bearer widget"}, CUSTOMER),
        ("https://shop.example", {"authorization": "Bearer widget"}, CUSTOMER),
    ],
)
async def test_caller_by_any_credential_is_recognised(
    start: Start, connect: Connect, origin: str | None, payload: dict[str, str], caller: Actor | None
) -> None:
    stage = await start()
    page = origin and Origin(origin.format(host=f"127.0.0.1:{stage.port}"))
    client = await connect(stage, origin=page, additional_headers={"Cookie": "__Host-baton_session=cookie"})
    await client.introduce(**payload)
    await client.follow("one")
    assert [(context.caller, context.address) for context in stage.contexts] == [(caller, "127.0.0.1")]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://shop.example", "https://shop.example:8443", "null"]
)
async def test_widget_token_is_bound_to_its_sites(start: Start, connect: Connect, origin: str) -> None:
    client = await connect(await start(), origin=Origin(origin))
    await client.say(type="connection_init", payload={"authorization": "Bearer widget"})
    assert await client.closed() == (4403, "Forbidden: the origin of this page is not allowed")


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
async def test_malformed_frame_closes_the_socket(start: Start, connect: Connect, frame: str | bytes) -> None:
    client = await connect(await start())
    await client.introduce()
    await client.connection.send(frame)
    code, reason = await client.closed()
    assert code == 4400
    assert reason.startswith("Invalid message: ")


async def test_binary_or_oversized_frame_closes_the_socket(start: Start, connect: Connect) -> None:
    stage = await start()
    client = await connect(stage)
    await client.connection.send("x" * 65_537)
    assert (await client.closed())[0] == 1009
    client = await connect(stage)
    client.connection.transport.write(Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True))
    assert (await client.closed())[0] == 4400
