"""The snippets of docs/clients.md lose and repeat nothing when their connections are cut."""

import asyncio
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.interop.conftest import DOCUMENT, SNIPPET, Node
from tests.support.baton_client import Workspace, wait_for
from tests.support.cutting_proxy import CuttingProxy
from tests.support.requirements import need

JAVASCRIPT = ["graphql-ws", "graphql-sse", "apollo", "urql", "relay"]
MESSAGES, CUTS = 40, 4


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
async def test_python_snippet_delivers_every_message_once(workspace: Workspace, tmp_path: Path) -> None:
    need("gql", importlib.util.find_spec("gql"))
    follow: Callable[..., Any] = load(tmp_path / "follow.py").follow
    started = workspace.start()
    conversation, cursor = started["conversation"]["id"], started["conversation"]["cursor"]
    received: list[str] = []
    with CuttingProxy(workspace.server.port).running() as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/graphql"
        recording = asyncio.create_task(asyncio.to_thread(record_and_cut, workspace, conversation, proxy))
        async with asyncio.timeout(60):
            async for message in follow(url, started["widgetToken"], conversation, cursor):
                received.append(message["content"])
                if len(received) == MESSAGES:
                    break
        assert received == await recording
        assert proxy.accepted >= 2


def load(path: Path) -> ModuleType:
    path.write_text(dict(SNIPPET.findall(DOCUMENT.read_text()))[path.name])
    spec = importlib.util.spec_from_file_location("snippet", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["snippet"] = module
    spec.loader.exec_module(module)
    return module
