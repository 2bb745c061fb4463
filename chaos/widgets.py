"""Widgets: they render what they are sent, and come back by themselves with their cursor."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from chaos.client import Client, NoAnswerError, RefusedError
from chaos.processes import Say

PROTOCOL = Subprotocol("graphql-transport-ws")
MESSAGE_ADDED = """subscription($id: ID!, $after: String) { messageAdded(conversationId: $id, after: $after) {
    cursor message { id position role content author { name } } } }"""
CURSOR = "query($id: ID!) { conversation(id: $id) { cursor } }"
MESSAGES = """query($id: ID!, $after: String) { conversation(id: $id) { messages(first: 100, after: $after) {
    nodes { position content } pageInfo { hasNextPage endCursor } } } }"""
REFRESH = "mutation($id: ID!) { refreshWidgetToken(conversationId: $id) }"

OPEN_SECONDS, PING_SECONDS, SILENCE_SECONDS = 5.0, 4.0, 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 3.0
# A widget token is valid for an hour. Tokens are renewed much earlier here, so a run has many renewals.
TOKEN_SECONDS = (40.0, 120.0)
# Some pages are reloaded: it spreads widgets evenly again, and adds to what goes on meanwhile.
# The others stay connected: reconnecting would hide that events stopped.
RELOAD_SECONDS = (20.0, 90.0)
# What the end of a process, of a database, of a slow connection looks like; 4403 would be a lost credential.
CLOSES = {1000, 1001, 1006, 1011, 1012, 1013, 4408}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message as a widget showed it, with the cursor that it came by ("" when it was read) and its time."""

    position: int
    content: str
    cursor: str = ""
    seen_at: float = 0.0


class LeaveError(Exception):
    """The widget gives this connection up; the text says why."""


@dataclass
class Widget:
    """A customer's page that follows one conversation.

    Nothing is sorted out: what comes twice is rendered twice. `cursor` is where it begins; without one it
    reads the conversation first. `left` counts why connections were given up.
    """

    name: str
    conversation: str
    token: str
    urls: Sequence[str]
    client: Client
    chance: Random
    blame: Say
    cursor: str | None = None
    reloads: bool = False
    rendered: list[Rendered] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    resyncs: int = 0
    refreshes: int = 0
    _read_to: int = 0
    _pause: float = FIRST_PAUSE_SECONDS
    _token_ends: float = 0.0

    async def run(self) -> None:
        """Follow the conversation until cancelled."""
        self._token_ends = time.monotonic() + self.chance.uniform(*TOKEN_SECONDS)
        while True:
            reload = asyncio.timeout(self.chance.uniform(*RELOAD_SECONDS) if self.reloads else None)
            try:
                async with reload:
                    await self._visit()
            except LeaveError as why:
                self.left[str(why)] += 1
            except RefusedError as error:
                self.blame(f"{self.name} was refused: {error}")
            except ConnectionClosed as closed:
                self._closed(closed)
            except (OSError, WebSocketException, NoAnswerError) as error:
                self.left["reloaded" if reload.expired() else type(error).__name__] += 1
            await asyncio.sleep(self.chance.uniform(0, self._pause))
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    async def _visit(self) -> None:
        if time.monotonic() > self._token_ends:
            await self._refresh()
        if self.cursor is None:
            await self._read()
        url = self.chance.choice(self.urls).replace("http", "ws", 1) + "/graphql"
        async with connect(
            url,
            subprotocols=[PROTOCOL],
            compression=None,
            proxy=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=1,
            ping_interval=None,
        ) as socket:
            await self._follow(socket)

    async def _follow(self, socket: ClientConnection) -> None:
        payload = {"authorization": f"Bearer {self.token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        variables = {"id": self.conversation, "after": self.cursor}
        while True:
            frame = await self._next(socket)
            match frame["type"]:
                case "connection_ack":
                    self.connections += 1
                    operation = {"query": MESSAGE_ADDED, "variables": variables}
                    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": operation}))
                case "next":
                    self._render(frame["payload"])
                case "ping":
                    await socket.send('{"type":"pong"}')
                case "error":
                    self._refused(frame["payload"])
                case "complete":
                    raise LeaveError("completed")

    async def _next(self, socket: ClientConnection) -> dict[str, Any]:
        """Return the next frame; a silent server is pinged, and left when it does not answer."""
        heard = time.monotonic()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    result: dict[str, Any] = json.loads(await socket.recv())
                    return result
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise LeaveError("silence")
            async with asyncio.timeout(PING_SECONDS):
                await socket.send('{"type":"ping"}')

    def _render(self, payload: dict[str, Any]) -> None:
        if "errors" in payload:
            self._refused(payload["errors"])
        event = payload["data"]["messageAdded"]
        message = event["message"]
        self.cursor = event["cursor"]
        self._pause = FIRST_PAUSE_SECONDS
        # Messages read after the cursor arrive again.
        if message["position"] > self._read_to:
            shown = Rendered(message["position"], message["content"], event["cursor"], time.time())
            self.rendered.append(shown)

    def _refused(self, errors: list[dict[str, Any]]) -> None:
        code = str(errors[0].get("extensions", {}).get("code"))
        if code == "RESYNC_REQUIRED":
            self.resyncs += 1
            self.blame(f"{self.name}: RESYNC_REQUIRED for its cursor {self.cursor}")
            self.cursor = None
        elif code not in {"INTERNAL", "RATE_LIMITED", "UNAVAILABLE"}:
            self.blame(f"{self.name}: its subscription was refused: {errors}")
        raise LeaveError(code)

    def _closed(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd else 1006
        self.left[f"closed {code}"] += 1
        if code not in CLOSES:
            self.blame(f"{self.name} was closed with {closed}")

    async def _read(self) -> None:
        """Read the conversation after its cursor; messages added meanwhile are in both."""
        client, token, id_ = self.client, self.token, self.conversation
        cursor = (await client.ask_once(token, CURSOR, id=id_))["conversation"]["cursor"]
        read: list[Rendered] = []
        page: str | None = None
        while page is not None or not read:
            asked = await client.ask_once(token, MESSAGES, id=id_, after=page)
            result = asked["conversation"]["messages"]
            read += [Rendered(item["position"], item["content"]) for item in result["nodes"]]
            if not result["pageInfo"]["hasNextPage"]:
                break
            page = result["pageInfo"]["endCursor"]
        self.rendered, self.cursor = read, cursor
        self._read_to = read[-1].position if read else 0

    async def _refresh(self) -> None:
        result = await self.client.ask_once(self.token, REFRESH, id=self.conversation)
        self.token = result["refreshWidgetToken"]
        self.refreshes += 1
        self._token_ends = time.monotonic() + self.chance.uniform(*TOKEN_SECONDS)
