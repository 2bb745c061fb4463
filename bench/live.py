"""The latency from a mutation to a subscriber."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from time import perf_counter

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.client import BadAnswerError, Target, body_of
from bench.workloads import RECORDED, Tray

MESSAGE_ADDED = """subscription MessageAdded($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) {
    cursor message { id position role content author { name } } } }"""
WARM_UP = 10
PAUSE_SECONDS = 0.02
EVENT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Push:
    """Return the seconds until the mutation's response and until its event.

    Both count from sending the mutation. Either may come first: they are made concurrently.
    """

    answered: float
    heard: float


async def measure_pushes(target: Target, tray: Tray, token: str, conversation: str, count: int) -> list[Push]:
    """Record messages one at a time and times the event of each; the first ten are not counted."""
    requests = islice(tray.records([conversation]).requests, WARM_UP + count)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    try:
        writer.write(tray.cursor(conversation))
        after = json.loads(await _body(reader))["data"]["conversation"]["cursor"]
        async with _subscribed(target, token, {"id": conversation, "after": after}) as socket:
            return [await _push(reader, writer, socket, request) for request in requests][WARM_UP:]
    finally:
        writer.close()


async def _push(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: ClientConnection, request: bytes
) -> Push:
    # No earlier event is still being processed.
    await asyncio.sleep(PAUSE_SECONDS)
    async with asyncio.timeout(EVENT_SECONDS), asyncio.TaskGroup() as group:
        event = group.create_task(_next_event(socket))
        await asyncio.sleep(0)
        sent = perf_counter()
        writer.write(request)
        body = await _body(reader)
        answered = perf_counter()
    if not body.startswith(RECORDED):
        raise BadAnswerError(body.decode(errors="replace"))
    return Push(answered - sent, event.result() - sent)


async def _body(reader: asyncio.StreamReader) -> bytes:
    received = b""
    while (body := body_of(received)) is None:
        if not (more := await reader.read(65_536)):
            raise BadAnswerError("the server closed the connection")
        received += more
    return body


async def _next_event(socket: ClientConnection) -> float:
    while True:
        frame = await socket.recv()
        heard = perf_counter()
        message = json.loads(frame)
        if message["type"] == "next" and "errors" not in message["payload"]:
            return heard
        if message["type"] in {"next", "error", "complete"}:
            raise BadAnswerError(str(frame))


@asynccontextmanager
async def _subscribed(
    target: Target, token: str, variables: dict[str, str]
) -> AsyncIterator[ClientConnection]:
    url = f"ws://{target.host}:{target.port}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None) as socket:
        await socket.send(
            json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
        )
        acknowledged = json.loads(await socket.recv())
        if acknowledged["type"] != "connection_ack":
            raise BadAnswerError(str(acknowledged))
        payload = {"query": MESSAGE_ADDED, "variables": variables}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        yield socket
