"""Limits on mutations, with the defaults and with small ones: a refused call changes and sends nothing."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.baton_process import WIDE_LIMITS
from tests.support.windows import longest_wait, wait_for_window_with

RECORD = """mutation($id: ID!, $text: String!) {
    recordMessage(input: {conversationId: $id, role: USER, content: $text}) { message { id } } }"""
MANY = "mutation($id: ID!) {%s}"
ONE = 'm%d: recordMessage(input: {conversationId: $id, role: USER, content: "hi"}) { message { id } }'
HUMAN = "mutation($id: ID!) { requestHuman(conversationId: $id) { created escalation { id } } }"
TABLES = ("messages", "escalations", "trigger_events", "log", "deliveries", "idempotency_keys")


@pytest.fixture(scope="module")
def limited() -> Iterator[Server]:
    """A server with the default limits of widgets, and small ones of the other callers."""
    with tempfile.TemporaryDirectory(prefix="baton-limits-") as folder:
        Path(folder).chmod(0o755)
        small = {
            "BATON_WRITES_PER_KEY": "50",
            "BATON_WRITES_PER_MEMBER": "4",
            "BATON_WRITES_PER_CONVERSATION": "30",
            "BATON_WRITES_PER_WORKSPACE": "60",
        }
        with Server.started(Path(folder), **dict.fromkeys(WIDE_LIMITS, ""), **small) as server:
            yield server


@pytest.fixture
def workspace(limited: Server) -> Workspace:
    return limited.new_workspace()


class Client:
    """A caller whose answers are seen with status and headers."""

    def __init__(self, workspace: Workspace, token: str) -> None:
        self._url = f"{workspace.server.url}/graphql"
        self._headers = {"authorization": f"Bearer {token}"}

    def send(self, query: str, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return httpx.post(self._url, json=body, headers=self._headers)

    def code(self, query: str, **variables: Any) -> str | None:
        errors = self.send(query, **variables).json().get("errors")
        return errors[0]["extensions"]["code"] if errors else None


def widget_of(workspace: Workspace, **more: Any) -> tuple[Client, str]:
    started = workspace.start(**more)
    return Client(workspace, started["widgetToken"]), started["conversation"]["id"]


def counted_rows(server: Server) -> dict[str, int]:
    return {table: server.rows(f"SELECT count(*) FROM {table}")[0]["count"] for table in TABLES}


def test_widget_sends_twenty_messages_a_minute_by_default(workspace: Workspace) -> None:
    wait_for_window_with(seconds=10)
    widget, conversation = widget_of(workspace)
    for number in range(20):
        answer = widget.send(RECORD, id=conversation, text=f"message {number}")
        assert answer.json()["data"]["recordMessage"]
        assert answer.headers["ratelimit-policy"] == '"messages";q=20;w=60'
        assert answer.headers["ratelimit"].startswith(f'"messages";r={19 - number};')
    before = counted_rows(workspace.server)

    refused = widget.send(RECORD, id=conversation, text="one too many")

    (error,) = refused.json()["errors"]
    assert refused.json()["data"] == {"recordMessage": None}
    assert (error["extensions"]["code"], error["path"]) == ("RATE_LIMITED", ["recordMessage"])
    assert error["message"].startswith(
        "Too many messages of one widget: at most 20 per 1 minute. Try again in "
    )
    assert 0 < error["extensions"]["retryAfter"] <= longest_wait(60, 20)
    assert refused.headers["retry-after"] == str(error["extensions"]["retryAfter"])
    assert refused.headers["ratelimit"].startswith('"messages";r=0;')
    assert counted_rows(workspace.server) == before
    # The limit is that of one widget only.
    other, elsewhere = widget_of(workspace)
    assert other.code(RECORD, id=elsewhere, text="hello") is None
    assert Client(workspace, workspace.api_key).code(RECORD, id=conversation, text="by the key") is None


def test_mutations_of_one_document_count_one_by_one(workspace: Workspace) -> None:
    wait_for_window_with(seconds=10)
    widget, conversation = widget_of(workspace)
    document = MANY % " ".join(ONE % number for number in range(25))
    answer = widget.send(document, id=conversation).json()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["RATE_LIMITED"] * 5
    assert sum(bool(payload) for payload in answer["data"].values()) == 20


def test_widget_asks_for_a_person_ten_times_an_hour_by_default(workspace: Workspace) -> None:
    widget, conversation = widget_of(workspace)
    answers = [widget.send(HUMAN, id=conversation).json() for _ in range(11)]
    assert [answer["data"]["requestHuman"]["created"] for answer in answers[:10]] == [True] + [False] * 9
    assert answers[10]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
    assert answers[10]["errors"][0]["extensions"]["retryAfter"] > 60
    assert answers[10]["errors"][0]["message"].startswith("Too many requests for a person of one widget: ")
    assert widget.code(RECORD, id=conversation, text="I can still write") is None


def test_queries_do_not_count(workspace: Workspace) -> None:
    widget, conversation = widget_of(workspace)
    query = "query($id: ID!) { conversation(id: $id) { id } }"
    for _ in range(30):
        answer = widget.send(query, id=conversation)
        assert answer.json()["data"]["conversation"]["id"] == conversation
    assert "ratelimit" not in answer.headers


def test_key_conversation_and_workspace_have_limits_of_their_own(workspace: Workspace) -> None:
    wait_for_window_with(seconds=20)
    other_key = workspace.key_with("CONVERSATIONS_WRITE")
    started = [workspace.start()["conversation"]["id"] for _ in range(2)]
    key = Client(workspace, workspace.api_key)
    codes = [key.code(RECORD, id=started[0], text="again") for _ in range(31)]
    assert codes == [None] * 30 + ["RATE_LIMITED"]
    # The key has made 34 calls: three before, and the refused one, which came within its own limit.
    codes = [key.code(RECORD, id=started[1], text="again") for _ in range(17)]
    assert codes == [None] * 16 + ["RATE_LIMITED"]
    second = Client(workspace, str(other_key.token))
    codes = [second.code(RECORD, id=started[1], text="again") for _ in range(12)]
    assert codes[-1] == "RATE_LIMITED"
    assert codes[0] is None


def test_member_who_calls_too_often_waits_over_rest_too(workspace: Workspace) -> None:
    wait_for_window_with(seconds=10)
    conversation = workspace.start()["conversation"]["id"]
    member = workspace.sign_in()
    url = f"{workspace.server.url}/conversations/{conversation}/escalate"
    answers = [httpx.post(url, json={"reason": "VIP"}, headers=member.headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 429]
    assert answers[4].json()["code"] == "RATE_LIMITED"
    assert int(answers[4].headers["retry-after"]) > 0
    assert answers[0].headers["ratelimit"].startswith('"writes";r=3;')


def test_equal_triggers_within_a_minute_are_counted_without_an_event(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    key = Client(workspace, workspace.api_key)
    assert key.code(HUMAN, id=conversation) is None
    before = counted_rows(workspace.server)

    for _ in range(20):
        assert key.code(HUMAN, id=conversation) is None

    assert counted_rows(workspace.server) == before
    query = """query($id: ID!) { conversation(id: $id) { activeEscalation {
        version triggers { trigger count occurredAt lastOccurredAt } timeline { nodes { kind } } } } }"""
    escalation = key.send(query, id=conversation).json()["data"]["conversation"]["activeEscalation"]
    (trigger,) = escalation["triggers"]
    assert (escalation["version"], trigger["trigger"], trigger["count"]) == (1, "BUTTON", 21)
    assert trigger["lastOccurredAt"] > trigger["occurredAt"]
    assert [node["kind"] for node in escalation["timeline"]["nodes"]] == ["created", "ai_paused"]


def test_equal_trigger_after_a_minute_is_an_entry_and_an_event(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    key = Client(workspace, workspace.api_key)
    key.send(HUMAN, id=conversation)
    workspace.server.execute("UPDATE trigger_events SET occurred_at = occurred_at - interval '61 seconds'")
    key.send(HUMAN, id=conversation)
    query = "query($id: ID!) { conversation(id: $id) { activeEscalation { version triggers { count } } } }"
    escalation = key.send(query, id=conversation).json()["data"]["conversation"]["activeEscalation"]
    assert escalation == {"version": 2, "triggers": [{"count": 1}, {"count": 1}]}
