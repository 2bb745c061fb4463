"""The server under attack and its callers: what a case is given."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from attack.wire import HOST, BrokenPromiseError, Reply, exchange, parse, request

# A loopback address of its own: the limits of the attacking address do not apply to other callers.
NEIGHBOUR = "127.0.0.3"
REFUSED = frozenset({400, 401, 403, 404, 405, 408, 413, 414, 415, 421, 422, 429, 431, 501, 503})


@dataclass
class World:
    """A fresh server with one workspace, and the credentials of one caller of each kind.

    Another workspace, the neighbour's, is not attacked.
    """

    port: int
    agent: str
    key: str
    email: str
    password: str
    conversation: str = ""
    widget: str = ""
    session: str = ""
    # The server's process, and its database as the owner of the tables.
    pid: int = 0
    database_url: str = ""
    neighbour_key: str = ""
    neighbour_conversation: str = ""
    # The event loop's times are multiplied by the slowness of the machine; callers' times also by how long
    # processes wait for a core.
    slowness: float = 1.0
    waiting: float = 1.0
    largest_reply: int = 0
    notes: list[str] = field(default_factory=list)
    # Ids of other rows, by the name of the argument.
    ids: dict[str, str] = field(default_factory=dict)

    def patience(self, seconds: float) -> float:
        """Return how long a caller may wait here for what takes some seconds on the reference machine."""
        return seconds * self.slowness * self.waiting

    async def send(self, data: bytes, *, source: str = HOST, seconds: float = 40) -> Reply:
        """Send bytes on a connection of their own, and return the first answer."""
        reply = await exchange(self.port, data, source=source, seconds=seconds)
        self.largest_reply = max(self.largest_reply, reply.size)
        return reply

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        token: str | None = None,
        source: str = HOST,
        fields: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Reply:
        """Send a request. Underscores in the names of headers become hyphens."""
        given = {name.replace("_", "-"): value for name, value in {**headers, **(fields or {})}.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        return await self.send(request(method, path, given, body), source=source)

    async def graphql(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        source: str = HOST,
        fields: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a document."""
        body = json.dumps({"query": document, "variables": variables or {}}).encode()
        given = {"Content-Type": "application/json", **(fields or {})}
        return await self.call("POST", "/graphql", body, token=token, source=source, fields=given)

    async def ask(self, document: str, *, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """Send a document that must be answered, and return the data."""
        reply = await self.graphql(document, variables, token=token)
        answer = reply.json()
        if answer.get("errors"):
            raise BrokenPromiseError(f"refused: {answer['errors'][0]}")
        data: dict[str, Any] = answer["data"]
        return data

    async def feed(self, data: bytes, pieces: int, pause: float) -> Reply:
        """Send bytes in pieces with pauses, and return the answer so far."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        step = max(len(data) // pieces, 1)
        try:
            for start in range(0, len(data), step):
                writer.write(data[start : start + step])
                await asyncio.sleep(pause)
            async with asyncio.timeout(10):
                return parse(await reader.read(65_536))
        except (TimeoutError, ConnectionError):
            return Reply(0)
        finally:
            writer.transport.abort()


def expect(condition: object, text: str) -> None:
    """Raise BrokenPromiseError with a text, unless the condition holds."""
    if not condition:
        raise BrokenPromiseError(text)


def expect_refused(reply: Reply) -> None:
    """Expect an answer that refuses, by its status or by the codes of GraphQL errors."""
    if reply.status in REFUSED:
        return
    expect(reply.status == 200, f"{reply.status}: {reply.body[:120]!r}")
    errors = reply.json().get("errors")
    expect(errors, f"answered: {reply.body[:120]!r}")
    codes = {error["extensions"]["code"] for error in errors}
    expect("INTERNAL" not in codes, f"a fault of the server: {errors[0]}")


def expect_sound(reply: Reply) -> None:
    """Expect any answer but a fault of the server."""
    expect(reply.status == 200 or reply.status in REFUSED, f"{reply.status}: {reply.body[:120]!r}")
    expect(b'"code":"INTERNAL"' not in reply.body, f"a fault of the server: {reply.body[:200]!r}")
