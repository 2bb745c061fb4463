"""One log line and one count for every call, without tokens or words of customers."""

import json
from typing import Any

import httpx

from tests.support.baton_client import Workspace, wait_for
from tests.support.server_log import written_log

WORDS = "my card number is 4111"
RECORD = """mutation Secret($id: ID!, $text: String!) {
    again: recordMessage(input: {conversationId: $id, role: USER, content: $text}) { message { id } } }"""


def lines_of(workspace: Workspace, operation: str) -> list[dict[str, Any]]:
    """Return the lines about calls of the workspace, as soon as there is one."""

    def written() -> list[dict[str, Any]]:
        lines = [
            json.loads(line) for line in workspace.server.log.read_text().splitlines() if line[:1] == "{"
        ]
        return [
            line
            for line in lines
            if line["event"] == "request.served"
            and line["operation"] == operation
            and line.get("workspace") == workspace.id
        ]

    lines: list[dict[str, Any]] = wait_for(written, f"a line about {operation}")
    return lines


def test_line_names_operation_caller_duration_and_outcome(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    workspace.widget(started).ask(RECORD, id=conversation, text=WORDS)
    (line,) = lines_of(workspace, "mutation recordMessage")
    assert (line["transport"], line["outcome"], line["status"]) == ("http", "OK", 200)
    assert (line["caller"], line["caller_id"]) == ("CUSTOMER", conversation)
    assert line["ms"] > 0
    assert line["fields"] == 2002  # 2,000 for the mutation
    assert len(line["request_id"]) == 32


def test_line_of_a_refused_call_has_its_code(workspace: Workspace) -> None:
    key = workspace.key_with("ANALYTICS_READ")
    assert key.refusal("{ members { id } }").code == "FORBIDDEN"
    (line,) = lines_of(workspace, "query members")
    assert (line["outcome"], line["caller"]) == ("FORBIDDEN", "API_KEY")


def test_log_holds_no_token_and_no_words_of_a_customer(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    workspace.widget(started).ask(RECORD, id=conversation, text=WORDS)
    hook = workspace.key_with("INCOMING_WEBHOOK").token
    url = f"{workspace.server.url}/hooks/{hook}/escalate"
    assert httpx.post(url, json={"conversationId": conversation, "reason": WORDS}).status_code == 201
    (line,) = lines_of(workspace, "post_hook")
    assert (line["status"], line["caller"]) == (201, "API_KEY")
    log = written_log(workspace.server)
    for secret in (WORDS, hook, started["widgetToken"], workspace.api_key):
        assert str(secret) not in log


def test_metrics_count_calls_by_operation_and_outcome(workspace: Workspace) -> None:
    def count(outcome: str) -> float:
        sought = f'operation="query viewer",outcome="{outcome}",transport="http"'
        metrics = httpx.get(f"{workspace.server.url}/metrics").text.splitlines()
        counts = [line for line in metrics if line.startswith("baton_requests_total{") and sought in line]
        return float(counts[0].rpartition(" ")[2]) if counts else 0

    before = count("OK"), count("UNAUTHENTICATED")
    workspace.key.ask("{ viewer { workspace { id } } }")
    assert workspace.nobody.refusal("{ viewer { workspace { id } } }").code == "UNAUTHENTICATED"
    assert (count("OK"), count("UNAUTHENTICATED")) == (before[0] + 1, before[1] + 1)
