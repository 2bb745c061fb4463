"""The snippets of docs/clients.md lose and repeat nothing when their connections are cut."""

import asyncio
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from gql.transport.exceptions import TransportError

from models.ids import new_id
from rules.typeid import CONVERSATION, format_id
from tests.interop.conftest import DOCUMENT, SNIPPET, Node
from tests.support.baton_client import Workspace, wait_for
from tests.support.cutting_proxy import CuttingProxy
from tests.support.requirements import need

JAVASCRIPT = ["graphql-ws", "graphql-sse", "apollo", "urql", "relay"]
MESSAGES, CUTS = 40, 4
MESSAGE_ADDED = """subscription Messages($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { cursor message { id role content } } }"""


def record_and_cut(workspace: Workspace, conversation: str, proxy: CuttingProxy) -> list[str]:
    contents = [f"message {number}" for number in range(MESSAGES)]
    for number, content in enumerate(contents, 1):
        workspace.key.record(conversation, "USER", content)
        if number % (MESSAGES // CUTS) == 0:
            proxy.cut()
            time.sleep(0.3)
    return contents


def test_javascript_snippets_deliver_every_message_once(
    node: Node, workspace: Workspace, tmp_path: Path
) -> None:
    started = workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]

    def received() -> dict[str, list[Any]]:
        return {
            name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
            for name in JAVASCRIPT
        }

    with CuttingProxy(workspace.server.port).running() as proxy, ExitStack() as stack:
        arguments = [f"http://127.0.0.1:{proxy.port}/graphql", started["widgetToken"], conversation, cursor]
        for name in JAVASCRIPT:
            output = stack.enter_context((tmp_path / name).open("w"))
            stack.enter_context(node("follow_through_proxy.mjs", name, *arguments, output=output))
        wait_for(lambda: proxy.accepted >= len(JAVASCRIPT), "the clients to connect", 60)
        contents = record_and_cut(workspace, conversation, proxy)
        last = contents[-1:]
        wait_for(lambda: all(lines[-1:] == last for lines in received().values()), "all messages", 60)
        assert proxy.accepted >= 2 * len(JAVASCRIPT)
    assert received() == dict.fromkeys(JAVASCRIPT, contents)


@pytest.mark.anyio
async def test_python_snippet_delivers_every_message_once(
    workspace: Workspace, load: Callable[[str], ModuleType]
) -> None:
    follow = load("follow").follow
    started = workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    received: list[str] = []
    with CuttingProxy(workspace.server.port).running() as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/graphql"
        recording = asyncio.create_task(asyncio.to_thread(record_and_cut, workspace, conversation, proxy))
        async with asyncio.timeout(60):
            given = (url, started["widgetToken"], MESSAGE_ADDED, {"id": conversation}, cursor)
            async for event in follow(*given):
                received.append(event["message"]["content"])
                if len(received) == MESSAGES:
                    break
        assert received == await recording
        assert proxy.accepted >= 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("token", "conversation", "after", "expected"),
    [
        (None, None, "nonsense", "RESYNC_REQUIRED"),
        (None, format_id(CONVERSATION, new_id()), None, "NOT_FOUND"),
        ("baton_sk_unknown", None, None, "4403"),
    ],
    ids=["cursor", "conversation", "credential"],
)
async def test_python_snippet_ends_when_trying_again_is_of_no_use(
    workspace: Workspace,
    load: Callable[[str], ModuleType],
    token: str | None,
    conversation: str | None,
    after: str | None,
    expected: str,
) -> None:
    started = workspace.start()["conversation"]
    events = load("follow").follow(
        f"ws://127.0.0.1:{workspace.server.port}/graphql",
        token or workspace.api_key,
        MESSAGE_ADDED,
        {"id": conversation or started["id"]},
        after or started["cursor"],
    )
    async with asyncio.timeout(60):
        with pytest.raises(TransportError) as raised:
            await anext(events)
    assert expected in f"{raised.value} {raised.value.__cause__}"


@pytest.mark.anyio
async def test_python_back_end_answers_each_turn_once(
    workspace: Workspace, load: Callable[[str], ModuleType]
) -> None:
    answer_turns = load("answer").answer_turns
    cursors = [workspace.key.ask("{ viewer { cursor } }")["viewer"]["cursor"]]
    started = workspace.start()
    conversation, widget = started["conversation"]["id"], workspace.widget(started)
    wanted: list[tuple[str, str]] = []

    async def think(content: str) -> str:
        return f"Start {start} answers {content}"

    def contents() -> list[tuple[str, str]]:
        return [(message["content"], message["status"]) for message in workspace.key.messages(conversation)]

    async def answers_one_more(last: int) -> int:
        await asyncio.to_thread(wait_for, lambda: len(cursors) > last, "the answer", 60)
        return len(cursors)

    with CuttingProxy(workspace.server.port).running() as proxy:
        url = f"http://127.0.0.1:{proxy.port}/graphql"
        for start in range(3):
            # The last cursor is lost, as by a crash: the turn comes again, and its first answer stays.
            last, after = len(cursors), cursors[-2:][0]
            turns = answer_turns(url, workspace.api_key, after, think, cursors.append)
            back_end = asyncio.create_task(turns)
            if start:
                last = await answers_one_more(last)
            for _ in range(4):
                content = f"message {len(wanted)}"
                await asyncio.to_thread(widget.record, conversation, "USER", content)
                proxy.cut()
                wanted += [(content, "DELIVERED"), (await think(content), "DELIVERED")]
                last = await answers_one_more(last)
            back_end.cancel()
            with suppress(asyncio.CancelledError):
                await back_end
        assert proxy.accepted >= 12
    assert contents() == wanted


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a Python snippet of the document by its name."""
    need("gql", importlib.util.find_spec("gql"))
    for name, code in SNIPPET.findall(DOCUMENT.read_text()):
        if name.endswith(".py"):
            (tmp_path / name).write_text(code)
            monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module
