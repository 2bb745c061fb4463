"""The official `graphql-ws` client understands the WebSocket endpoint."""

import json

from tests.interop.conftest import Node
from tests.support.baton_client import DEADLINE, Workspace


def test_official_client_follows_a_conversation(node: Node, workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    workspace.key.record(conversation, "USER", "from before")
    url = workspace.server.url.replace("http", "ws", 1) + "/graphql"
    arguments = [url, started["widgetToken"], conversation, started["conversation"]["cursor"], "2"]
    with node("follow.mjs", *arguments) as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        assert next(lines) == {"connected": True}
        assert next(lines)["data"]["messageAdded"]["message"]["content"] == "from before"
        workspace.key.record(conversation, "ASSISTANT", "live")
        assert next(lines)["data"]["messageAdded"]["message"]["content"] == "live"
        assert next(lines) == {"refused": "BAD_USER_INPUT"}
        assert next(lines)["data"] == {"viewer": {"kind": "CUSTOMER"}}
        assert process.wait(DEADLINE) == 0
