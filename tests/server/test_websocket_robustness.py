"""A client that breaks the protocol is closed with the right code, and other clients notice nothing."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support.baton_client import PROTOCOL, Refused, Server, Socket, Workspace
from tests.support.open_subscriptions import all_begun
from tests.support.raw_websocket import Raw, begun, close_code, framed, more, open_sockets, ping, text
from tests.support.server_log import written_log

pytestmark = pytest.mark.anyio

VIEWER = "{ viewer { kind } }"
MESSAGES = """subscription($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { message { content } } }"""
RECORD = """mutation($id: ID!, $content: String!) {
    recordMessage(input: {conversationId: $id, role: USER, content: $content}) { message { position } } }"""
WITNESS = 1  # the subscription of the fixture


@pytest.fixture(autouse=True)
async def nobody_else_notices(server: Server) -> AsyncIterator[None]:
    """Follow a conversation as another client throughout, and assert that the server logs no error."""
    workspace = server.new_workspace()
    started = workspace.start()["conversation"]
    conversation = started["id"]
    begun = server.log.stat().st_size
    async with workspace.key.socket() as witness:
        id_ = await witness.subscribe(MESSAGES, id=conversation, after=started["cursor"])
        yield
        await asyncio.to_thread(workspace.key.record, conversation, "USER", "all is well")
        event = (await witness.next(id_))["messageAdded"]
        assert event["message"]["content"] == "all is well"
    written = await asyncio.to_thread(written_log, server, begun)
    assert "Traceback" not in written
    assert '"level":"error"' not in written
    assert '"level":"critical"' not in written


PING = b'{"type":"ping"}'
BROKEN_FRAMES: dict[str, tuple[bytes, int]] = {
    "not masked": (framed(0x81, PING, masked=0), 1002),
    "reserved opcode": (framed(0x83), 1002),
    "reserved control opcode": (framed(0x8B), 1002),
    "compressed": (framed(0xC1, PING), 1002),
    "nothing to continue": (framed(0x80, PING), 1002),
    "another message within one": (begun(b'{"type":') + text(PING), 1002),
    "a ping in pieces": (framed(0x09, b"x"), 1002),
    "a ping of 126 bytes": (ping(b"x" * 126), 1002),
    "a length of 2 to the 62": (b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4), 1009),
    "a length of 2 to the 63": (b"\x81\xff" + (2**63).to_bytes(8, "big") + bytes(4), 1009),
    "65 KiB in pieces": (begun(b" " * 60_000) + framed(0x80, b" " * 6_560), 1009),
    "pieces without end": (begun(b'"') + more(b"") * 1_001, 1009),
    "no UTF-8 in pieces": (begun(b'"\xc3') + framed(0x80, b'\xff"'), 4400),
    "a close of one byte": (framed(0x88, b"x"), 1002),
    "a close with no UTF-8": (framed(0x88, b"\x03\xe8\xff"), 1007),
    "binary": (framed(0x82, PING), 4400),
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_broken_frame_closes_its_own_socket(workspace: Workspace, name: str) -> None:
    sent, code = BROKEN_FRAMES[name]
    raw = Raw(workspace.server)
    with closing(raw):
        raw.introduce(workspace.api_key)
        raw.socket.sendall(sent)
        assert raw.closed() == code


async def test_fragmented_message_with_a_ping_between_is_one_message(workspace: Workspace) -> None:
    raw = Raw(workspace.server)
    with closing(raw):
        raw.introduce(workspace.api_key)
        raw.socket.sendall(begun(b"") + more(PING[:3]) + ping(b"you"))
        raw.socket.sendall(more(PING[3:]) + framed(0x80))
        assert raw.frame() == (0x8A, b"you")
        assert raw.hear() == {"type": "pong"}
        # Many messages in one piece are answered one by one.
        raw.socket.sendall(text(PING) * 500)
        assert [raw.hear() for _ in range(500)] == [{"type": "pong"}] * 500


async def test_compression_is_not_taken_up(server: Server) -> None:
    raw = Raw(server)
    with closing(raw):
        head = raw.ask("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    assert head.startswith("HTTP/1.1 101")
    assert "extensions" not in head.lower()


NEST = "[" * 20_000 + "]" * 20_000
BROKEN_MESSAGES: dict[str, tuple[str, int]] = {
    "no JSON": ("{", 4400),
    "null": ("null", 4400),
    "a list": ("[]", 4400),
    "a number": ("7", 4400),
    "20,000 lists deep": (NEST, 4400),
    "20,000 lists deep in the variables": (
        '{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{"a":' + NEST + "}}}",
        4400,
    ),
    "65 KiB": (" " * 65 * 1024, 1009),
    "a number for an id": ('{"id":1,"type":"subscribe","payload":{"query":"{ viewer { kind } }"}}', 4400),
    "a number for the id of what is over": ('{"id":1,"type":"complete"}', 4400),
    "no id": ('{"type":"subscribe","payload":{"query":"{ viewer { kind } }"}}', 4400),
    "an unknown type": ('{"type":"connection_terminate"}', 4400),
    "a server's type": ('{"type":"connection_ack"}', 4400),
    "no payload": ('{"id":"1","type":"subscribe"}', 4400),
    "no query": ('{"id":"1","type":"subscribe","payload":{"operationName":"a"}}', 4400),
    "a list for variables": (
        '{"id":"1","type":"subscribe","payload":{"query":"{ a }","variables":[]}}',
        4400,
    ),
    "a second introduction": ('{"type":"connection_init"}', 4429),
}


@pytest.mark.parametrize("name", BROKEN_MESSAGES)
async def test_broken_message_closes_its_own_socket(workspace: Workspace, name: str) -> None:
    sent, code = BROKEN_MESSAGES[name]
    async with workspace.key.socket() as client:
        await client.raw.send(sent)
        assert await close_code(client) == code


async def test_client_without_an_init_is_closed(workspace: Workspace) -> None:
    url = workspace.server.url.replace("http", "ws", 1) + "/graphql"
    async with connect(url, subprotocols=[PROTOCOL]) as raw:
        await raw.send('{"id":"1","type":"subscribe","payload":{"query":"mutation { signOut }"}}')
        assert await close_code(Socket(raw)) == 4401


async def test_two_operations_of_one_id_close_the_socket(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    payload = {"query": MESSAGES, "variables": {"id": conversation}}
    async with workspace.key.socket() as client:
        for _ in range(2):
            await client.send(id="same", type="subscribe", payload=payload)
        assert await close_code(client) == 4409


WRONG_OPERATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a syntax error": ({"query": "{ viewer {"}, "BAD_USER_INPUT"),
    "a syntax error in a subscription": ({"query": "subscription { messageAdded( }"}, "BAD_USER_INPUT"),
    "an empty document": ({"query": " \n "}, "BAD_USER_INPUT"),
    "a comment alone": ({"query": "# nothing"}, "BAD_USER_INPUT"),
    "an unknown field": ({"query": "{ nobody }"}, "BAD_USER_INPUT"),
    "an unknown subscription": ({"query": "subscription { nobody }"}, "BAD_USER_INPUT"),
    "two subscriptions in one": (
        {"query": "subscription { escalationCreated { cursor } escalationUpdated { cursor } }"},
        "BAD_USER_INPUT",
    ),
    "another operation's name": ({"query": VIEWER, "operationName": "Other"}, "BAD_USER_INPUT"),
    "one of two and no name": (
        {"query": "subscription A { escalationCreated { cursor } } query B { viewer { kind } }"},
        "BAD_USER_INPUT",
    ),
    "a fragment alone": ({"query": "fragment F on Viewer { kind }"}, "BAD_USER_INPUT"),
    "a variable that is missing": ({"query": MESSAGES}, "BAD_USER_INPUT"),
    "a variable of another type": ({"query": MESSAGES, "variables": {"id": [1]}}, "BAD_USER_INPUT"),
    "an id of another kind": ({"query": MESSAGES, "variables": {"id": "agt_01"}}, "BAD_USER_INPUT"),
    "a cursor that is a number": (
        {"query": "subscription { escalationCreated(after: 7) { cursor } }"},
        "BAD_USER_INPUT",
    ),
    "a nest of 3,000 fields": ({"query": "{ a" * 3_000 + " }" * 3_000}, "BAD_USER_INPUT"),
    "a nest of 3,000 lists": (
        {"query": "subscription { escalationCreated(after: " + "[" * 3_000 + ") { cursor } }"},
        "BAD_USER_INPUT",
    ),
    "a schema": ({"query": "type Query { a: Int }"}, "BAD_USER_INPUT"),
}


async def test_wrong_operation_ends_only_itself(workspace: Workspace) -> None:
    started = workspace.start()["conversation"]
    conversation = started["id"]
    async with workspace.key.socket() as client:
        stays = await client.subscribe(MESSAGES, id=conversation, after=started["cursor"])
        messages = {}
        for name, (payload, _) in WRONG_OPERATIONS.items():
            await client.send(id=name, type="subscribe", payload=payload)
            said = await client.receive()
            assert (said["id"], said["type"]) == (name, "error"), said
            messages[name] = said["payload"][0]["extensions"]["code"]
        assert messages == {name: code for name, (_, code) in WRONG_OPERATIONS.items()}
        await client.send(id="never begun", type="complete")
        # A mutation works over the socket too, and so does its event.
        await client.send(
            id="act",
            type="subscribe",
            payload={"query": RECORD, "variables": {"id": conversation, "content": "Hi"}},
        )
        assert (await client.next("act"))["recordMessage"]["message"] == {"position": 1}
        assert (await client.next(stays))["messageAdded"]["message"] == {"content": "Hi"}


async def test_deep_value_that_is_not_requested_is_ignored(workspace: Workspace) -> None:
    deep = json.loads("[" * 300 + "]" * 300)
    started = workspace.start()["conversation"]
    here = {"id": started["id"], "after": started["cursor"]}
    async with workspace.key.socket() as client:
        id_ = await client.subscribe(MESSAGES, **here, unasked=deep)
        await asyncio.to_thread(workspace.key.record, started["id"], "USER", "Hi")
        assert await client.next(id_)


async def test_multiplying_fragments_delay_nobody(workspace: Workspace) -> None:
    # Each stands eight times in the one before: followed one by one they would be 134 million.
    spreads = "".join(f" fragment F{n} on Viewer {{ {f'...F{n + 1} ' * 8} }}" for n in range(9))
    query = "{ viewer { ...F0 } }" + spreads + " fragment F9 on Viewer { kind }"
    async with workspace.key.socket() as client:
        id_ = await client.subscribe(query)
        with pytest.raises(Refused) as refused:
            await client.next(id_)
        assert refused.value.code == "QUERY_TOO_COMPLEX"


async def test_ten_thousand_operations_leave_nothing_behind(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    async with workspace.key.socket() as client:
        await _many(client, conversation, 2_000)
        before = await _resident_bytes(workspace.server)
        await _many(client, conversation, 8_000)
        after = await _resident_bytes(workspace.server)
        # A kilobyte for each would be 8 MB.
        assert after - before < 8_000_000


async def _many(client: Socket, conversation: str, number: int) -> None:
    """Run operations, 50 at a time: most are answered, one in five is cancelled."""
    for start in range(0, number, 50):
        for place in range(start, start + 40):
            await client.send(id=str(place), type="subscribe", payload={"query": "{ __typename }"})
        for place in range(start + 40, start + 50):
            payload = {"query": MESSAGES, "variables": {"id": conversation}}
            await client.send(id=str(place), type="subscribe", payload=payload)
            await client.send(id=str(place), type="complete")
        said = [await client.receive() for _ in range(2 * 40)]
        assert sorted(message["type"] for message in said) == ["complete"] * 40 + ["next"] * 40
        assert {int(message["id"]) for message in said} == set(range(start, start + 40))


async def _resident_bytes(server: Server) -> float:
    async with httpx.AsyncClient(trust_env=False) as client:
        said = (await client.get(f"{server.url}/metrics")).text
    match = re.search(r"^process_resident_memory_bytes (\S+)$", said, re.M)
    assert match
    return float(match[1])


async def test_more_operations_than_are_allowed_at_once_are_refused_one_by_one(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    async with workspace.key.socket() as client:
        async with all_begun(workspace.server, 100, besides=WITNESS):
            ids = [await client.subscribe(MESSAGES, id=conversation) for _ in range(120)]
        for id_ in ids[100:]:
            said = await client.receive()
            assert (said["id"], said["type"]) == (id_, "error")
            (error,) = said["payload"]
            assert error["extensions"]["code"] == "RATE_LIMITED"
            assert "at most 100 operations" in error["message"]
        await client.send(id=ids[0], type="complete")
        assert (await client.next(await client.subscribe(VIEWER)))["viewer"]
        await asyncio.to_thread(workspace.key.record, conversation, "USER", "to all")
        for id_ in ids[1:100]:
            assert (await client.next(id_))["messageAdded"]["message"]["content"] == "to all"


async def test_pings_that_nobody_reads_the_answers_of_cost_nothing(workspace: Workspace) -> None:
    before = await _resident_bytes(workspace.server)
    raw = Raw(workspace.server, receive_bytes=4_096)
    with closing(raw):
        await asyncio.to_thread(raw.introduce, workspace.api_key)
        raw.socket.settimeout(2)
        sent = await asyncio.to_thread(_send_until_blocked, raw.socket, ping(b"x" * 125) * 1_000)
        assert sent < 50_000_000 or await _resident_bytes(workspace.server) - before < 15_000_000


def _send_until_blocked(connection: socket.socket, data: bytes) -> int:
    sent = 0
    try:
        while sent < 50_000_000:
            connection.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


async def test_client_that_reads_nothing_delays_nobody(workspace: Workspace) -> None:
    number, content = 300, "x" * 19_000
    conversation = workspace.start()["conversation"]["id"]
    stuck = Raw(workspace.server, receive_bytes=4_096)
    with closing(stuck):
        await asyncio.to_thread(stuck.introduce, workspace.api_key)
        async with open_sockets(*[workspace.key] * 20) as others:
            async with all_begun(workspace.server, 1 + len(others), besides=WITNESS):
                payload = {"query": MESSAGES, "variables": {"id": conversation}}
                stuck.say({"id": "1", "type": "subscribe", "payload": payload})
                for other in others:
                    await other.subscribe(MESSAGES, id=conversation)
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

                async def record(place: int) -> None:
                    given = {"id": conversation, "content": f"{place} {content}"}
                    answer = await client.post(
                        f"{workspace.server.url}/graphql",
                        json={"query": RECORD, "variables": given},
                        headers=workspace.key.headers,
                    )
                    assert "errors" not in answer.json()

                for start in range(0, number, 10):
                    await asyncio.gather(*map(record, range(start, start + 10)))
            for other in others:
                heard = [(await other.next("1"))["messageAdded"]["message"]["content"] for _ in range(number)]
                assert {int(text.split()[0]) for text in heard} == set(range(number))
