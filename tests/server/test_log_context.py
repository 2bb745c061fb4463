"""The context of log lines: request id, workspace and conversation."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.server_log import written_log


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server whose log no other test writes to, and where recording the word BOOM fails."""
    with tempfile.TemporaryDirectory(prefix="baton-context-") as folder:
        Path(folder).chmod(0o755)
        with Server.started(Path(folder)) as server:
            server.execute("ALTER TABLE messages ADD CHECK (content <> 'BOOM')")
            server.execute("ALTER TABLE escalations ADD CHECK (reason <> 'BOOM')")
            yield server


@pytest.fixture
def team(own_server: Server) -> Workspace:
    return own_server.new_workspace()


def failure_with(server: Server, request_id: str) -> dict[str, Any]:
    """Return the only failure that is logged under the request id."""

    def lines() -> list[dict[str, Any]]:
        logged = [orjson.loads(line) for line in server.log.read_bytes().splitlines()]
        under = [line for line in logged if line.get("request_id") == request_id]
        return [line for line in under if line["event"] != "request.served"]

    (line,) = wait_for(lines, "the failure in the log")
    return dict(line)


def test_graphql_failure_is_logged_with_request_workspace_and_conversation(team: Workspace) -> None:
    conversation = team.start()["conversation"]["id"]
    query = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
    given = {"conversationId": conversation, "role": "USER", "content": "BOOM"}
    (error,) = team.key.post(query, {"i": given})["errors"]
    line = failure_with(team.server, error["extensions"]["requestId"])
    assert line["event"] == "request.failed"
    assert (line["workspace"], line["conversation"]) == (team.id, conversation)
    assert "CheckViolation" in line["exception"]
    assert "BOOM" not in str(line)


def test_rest_failure_is_logged_once_with_the_same_context(team: Workspace) -> None:
    conversation = team.start()["conversation"]["id"]
    url = f"{team.server.url}/conversations/{conversation}/escalate"
    answer = httpx.post(url, json={"reason": "BOOM"}, headers=team.key.headers)
    assert answer.status_code == 500
    line = failure_with(team.server, answer.json()["requestId"])
    assert (line["workspace"], line["conversation"]) == (team.id, conversation)
    assert line["event"] == "request.failed"
    assert "Exception in ASGI application" not in written_log(team.server)


def test_requests_on_one_connection_have_different_ids_and_nothing_of_each_other(team: Workspace) -> None:
    first, second = (team.start()["conversation"]["id"] for _ in range(2))
    ids = []
    with httpx.Client(headers=team.key.headers) as client:
        for conversation in (first, second):
            url = f"{team.server.url}/conversations/{conversation}/escalate"
            ids.append(client.post(url, json={"reason": "BOOM"}).json()["requestId"])
    assert ids[0] != ids[1]
    lines = [failure_with(team.server, request_id) for request_id in ids]
    assert [line["conversation"] for line in lines] == [first, second]
