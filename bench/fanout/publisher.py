"""The publisher for servers with external events, in a process of its own.

`commit` writes messages into Baton's database in one transaction, as recording them would, and publishes
the wake-ups; `record` has Baton record each; `post` hands whole frames to Nchan. Started as
`python -m bench.fanout.publisher CONTROL_PORT commit URL CONVERSATIONS AUTHOR`,
`… CONTROL_PORT record PORT CONVERSATION API_KEY` or `… CONTROL_PORT post PORT`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from uuid import UUID

import orjson
import uvloop

from bench.client import Target, post
from bench.fanout.control_port import Publish, take_orders
from bench.server_under_test import HOST
from bench.workloads import RECORD, RECORDED
from models.ids import new_id
from models.row_scope import connect_across
from realtime.pubsub import CHANNEL, WAKEUPS_PER_MESSAGE
from rules.typeid import CONVERSATION, MEMBER, parse_id

# What recordMessage writes, for as many messages as there are: one statement, one transaction. The bench
# does not go through the product's act, which costs 3 ms a message and is measured elsewhere.
_COMMIT = """
WITH fresh AS MATERIALIZED (
    SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::int[]) AS fresh (stream, id, content, place)
), talk AS (
    UPDATE conversations SET messages = messages + $2, last_message_at = clock_timestamp()
    WHERE id = ANY($1::uuid[]) RETURNING id, messages - $2 AS before, last_message_at AS at
), said AS (
    INSERT INTO messages
        (id, conversation_id, position, role, status, content, author_id, intents, created_at)
    SELECT fresh.id, talk.id, talk.before + fresh.place, 'HUMAN', 'DELIVERED', fresh.content, $7, '{}',
           talk.at
    FROM talk JOIN fresh ON fresh.stream = talk.id
), bumped AS (
    UPDATE streams SET head = head + $2, head_at = talk.at FROM talk WHERE streams.id = talk.id
    RETURNING streams.id, head, head_at
), logged AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT bumped.id, bumped.head - $2 + fresh.place, 'message.added',
           jsonb_build_object('message', fresh.id, 'status', 'DELIVERED'), bumped.head_at
    FROM bumped JOIN fresh ON fresh.stream = bumped.id
)
SELECT id, head FROM bumped
"""


async def committing(url: str, conversations: str, author: str) -> Publish:
    """Commit the messages of an order in one transaction, then publish the wake-ups.

    `conversations` is a file with an id in each line. Every conversation gets all messages.
    """
    streams = _read_ids(conversations)
    connection = await connect_across(url)
    member = parse_id(MEMBER, author)
    commit = await connection.prepare(_COMMIT)

    async def publish(contents: list[str]) -> None:
        places = range(1, len(contents) + 1)
        rows = [
            (stream, new_id(), content, place)
            for stream in streams
            for content, place in zip(contents, places, strict=True)
        ]
        heads = await commit.fetch(streams, len(contents), *map(list, zip(*rows, strict=True)), member)
        wakeups = [{"stream": str(stream), "position": head} for stream, head in heads]
        for begin in range(0, len(wakeups), WAKEUPS_PER_MESSAGE):
            some = wakeups[begin : begin + WAKEUPS_PER_MESSAGE]
            message = {"sender": "bench", "canary": False, "wakeups": some, "typings": []}
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, orjson.dumps(message).decode())

    return publish


def _read_ids(conversations: str) -> list[UUID]:
    return [parse_id(CONVERSATION, line) for line in Path(conversations).read_text().split()]


async def recording(port: str, conversation: str, api_key: str) -> Publish:
    """Have every message recorded by a mutation, one after the other."""
    target = Target(HOST, int(port))
    line = _Line(target)

    async def publish(contents: list[str]) -> None:
        for content in contents:
            given = {"conversationId": conversation, "role": "ASSISTANT", "content": content}
            body = orjson.dumps({"query": RECORD, "variables": {"input": given}})
            (answer,) = await line.send([post(target, "/graphql", body, api_key)])
            if not answer.startswith(RECORDED):
                raise RuntimeError(answer.decode())

    return publish


async def posting(port: str) -> Publish:
    """Post frames as GraphQL would have them; those of one order in one write."""
    target, numbers = Target(HOST, int(port)), count()
    line = _Line(target)

    def request(content: str) -> bytes:
        number = next(numbers)
        message = {"id": f"msg_{number:026}", "content": content, "author": {"name": "Ada Lovelace"}}
        data = {"messageAdded": {"cursor": f"{number:043}", "message": message}}
        frame = {"id": "0" * 8 + "-5a5a-4b4b-8c8c-" + "0" * 12, "type": "next", "payload": {"data": data}}
        return post(target, "/publish", orjson.dumps(frame), "")

    async def publish(contents: list[str]) -> None:
        await line.send([request(content) for content in contents])

    return publish


class _Line:
    """A kept connection, which is reopened when the server closed it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, requests: list[bytes]) -> list[bytes]:
        """Send all in one write and returns the bodies of the answers."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection(self._target.host, self._target.port)
        reader, writer = self._streams
        writer.write(b"".join(requests))
        return [await _body(reader) for _ in requests]


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return await reader.readexactly(int(length))


_WAYS: dict[str, Callable[..., Awaitable[Publish]]] = {
    "commit": committing,
    "record": recording,
    "post": posting,
}


async def run(control: int, way: str, *arguments: str) -> None:
    """Publish until the client goes."""
    await take_orders(control, await _WAYS[way](*arguments))


if __name__ == "__main__":
    uvloop.run(run(int(sys.argv[1]), *sys.argv[2:]))
