"""Idempotency keys: a repeated call, concurrent, later or after a crash, is executed once."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import pytest

from models.ids import new_id
from rules.typeid import AGENT, CONVERSATION, WORKSPACE, format_id, parse_id
from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.locks import MANY, Contender, Scene, hold, outcomes, send
from tests.support.log_audit import Ledger

pytestmark = pytest.mark.anyio

ORDERS = count(4711)


@dataclass
class Stage(Scene):
    """A scene with an open escalation, a second conversation of the same workspace, and a key."""

    escalation: str = ""
    elsewhere: str = ""
    order: str = ""

    @classmethod
    def of(cls, workspace: Workspace, order: str = "order 0") -> "Stage":
        """Create the rows that the operations need."""
        scene, elsewhere = Scene.of(workspace), Scene.of(workspace).conversation
        return cls(**vars(scene), escalation=scene.escalate(), elsewhere=elsewhere, order=order)

    def grown(self, before: dict[str, list[str]]) -> dict[str, int]:
        """Return the number of new rows in each table."""
        after, counted = self.rows(), ("conversations", "messages", "trigger_events", "idempotency_keys")
        return {table: len(after[table]) - len(before[table]) for table in counted}


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    """One for all tests of this file; each has conversations of its own."""
    return server.new_workspace()


@pytest.fixture(scope="module")
def other(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture
def order() -> str:
    """A new key."""
    return f"order {next(ORDERS)}"


@pytest.fixture
def stage(workspace: Workspace, order: str) -> Stage:
    return Stage.of(workspace, order)


# The operations that take a key. Each is done with an input “one”, with another, “two”, and with one that is
# refused only when the key has been taken.
def start(stage: Stage, variant: str) -> Any:
    agent = format_id(AGENT, new_id()) if variant == "refused" else stage.workspace.agent_id
    # The widget token is a fresh one every time; it has a test of its own.
    return stage.key.start(agent, metadata={"n": variant}, idempotencyKey=stage.order)["conversation"]


def record(stage: Stage, variant: str) -> Any:
    ahead = {"epoch": 99} if variant == "refused" else {}
    return stage.key.record(stage.conversation, "ASSISTANT", variant, idempotencyKey=stage.order, **ahead)


def press(stage: Stage, variant: str) -> Any:
    unknown = format_id(CONVERSATION, new_id())
    places = {"one": stage.conversation, "two": stage.elsewhere, "refused": unknown}
    return stage.key.press(places[variant], idempotencyKey=stage.order)


def submit(stage: Stage, variant: str) -> Any:
    place = format_id(CONVERSATION, new_id()) if variant == "refused" else stage.conversation
    return stage.key.submit(place, fields={"n": variant}, idempotencyKey=stage.order)


def escalate(stage: Stage, variant: str) -> Any:
    stranger = {"assignTo": "stranger@example.com"} if variant == "refused" else {}
    return stage.key.escalate(stage.conversation, variant, idempotencyKey=stage.order, **stranger)


def reply(stage: Stage, variant: str) -> Any:
    stranger = {"authorEmail": "stranger@example.com"} if variant == "refused" else {}
    return stage.key.reply(stage.escalation, variant, idempotencyKey=stage.order, **stranger)


def report(stage: Stage, variant: str) -> Any:
    place = format_id(CONVERSATION, new_id()) if variant == "refused" else stage.conversation
    return stage.key.fail(place, tool=variant, idempotencyKey=stage.order)


def note(stage: Stage, variant: str) -> Any:
    stranger = {"assignTo": "stranger@example.com"} if variant == "refused" else {}
    return stage.key.update(stage.escalation, note=variant, idempotencyKey=stage.order, **stranger)


Transaction = Callable[[Stage, str], Any]

# Each with what it is refused with, and what comes of it: conversations, messages, triggers.
OPERATIONS: dict[str, tuple[Transaction, str, tuple[int, int, int]]] = {
    "startConversation": (start, "NOT_FOUND", (1, 0, 0)),
    "recordMessage": (record, "BAD_USER_INPUT", (0, 1, 0)),
    "requestHuman": (press, "NOT_FOUND", (0, 0, 1)),
    "submitForm": (submit, "NOT_FOUND", (0, 1, 1)),
    "escalateConversation": (escalate, "BAD_USER_INPUT", (0, 0, 1)),
    "replyToEscalation": (reply, "BAD_USER_INPUT", (0, 1, 0)),
    "reportToolResult": (report, "NOT_FOUND", (0, 0, 0)),
    "updateEscalation": (note, "BAD_USER_INPUT", (0, 0, 0)),
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS)


def act_of(operation: str) -> Transaction:
    return OPERATIONS[operation][0]


def once(operation: str) -> dict[str, int]:
    """Return the number of rows that one execution adds."""
    conversations, messages, triggers = OPERATIONS[operation][2]
    return {
        "conversations": conversations,
        "messages": messages,
        "trigger_events": triggers,
        "idempotency_keys": 1,
    }


def grow_old(stage: Stage, interval: str) -> None:
    """Move the workspace's keys into the past, with the triggers that equal ones would be counted on."""
    stage.server.execute("UPDATE trigger_events SET occurred_at = occurred_at - $1::text::interval", interval)
    stage.server.execute(
        "UPDATE idempotency_keys SET created_at = created_at - $2::text::interval WHERE scope_id = $1",
        parse_id(WORKSPACE, stage.workspace.id),
        interval,
    )


# ---- every operation


@every_operation
async def test_repeat_returns_the_first_result(stage: Stage, operation: str) -> None:
    act, before = act_of(operation), stage.rows()
    first = act(stage, "one")
    assert stage.grown(before) == once(operation)
    after = stage.rows()
    assert act(stage, "one") == first
    assert stage.rows() == after


@every_operation
async def test_another_input_with_the_same_key_is_refused(stage: Stage, operation: str) -> None:
    act = act_of(operation)
    act(stage, "one")
    before = stage.rows()
    assert await outcomes(send(act, stage, "two")) == ["IDEMPOTENCY_MISMATCH"]
    assert stage.rows() == before


@every_operation
async def test_concurrent_repeats_are_executed_once(stage: Stage, operation: str) -> None:
    act, before = act_of(operation), stage.rows()
    agent = hold(stage.server, "agents", parse_id(AGENT, stage.workspace.agent_id))
    async with agent if operation == "startConversation" else stage.locked() as lock:
        calls = [send(act, stage, "one") for _ in range(20)]
        await lock.queued(MANY)
    answers = await outcomes(*calls)
    assert answers == [answers[0]] * 20
    assert stage.grown(before) == once(operation)
    Ledger.of(stage).check()


@every_operation
async def test_refused_call_does_not_use_up_its_key(stage: Stage, operation: str) -> None:
    act, before = act_of(operation), stage.rows()
    assert await outcomes(send(act, stage, "refused")) == [OPERATIONS[operation][1]]
    assert stage.rows() == before
    act(stage, "one")
    assert stage.grown(before) == once(operation)


@every_operation
async def test_keys_count_per_workspace(stage: Stage, other: Workspace, operation: str) -> None:
    act, elsewhere = act_of(operation), Stage.of(other, stage.order)
    first = act(stage, "one")
    before = elsewhere.rows()
    assert act(elsewhere, "two") != first
    # A button that is pressed for the first time brings its confirmation with it.
    expected = once(operation) | ({"messages": 1} if operation == "requestHuman" else {})
    assert elsewhere.grown(before) == expected


@every_operation
async def test_key_is_free_again_after_24_hours(stage: Stage, operation: str) -> None:
    act, grown = act_of(operation), once(operation)
    if operation == "requestHuman":
        # Its second press is the first in the other conversation, and brings the confirmation with it.
        grown |= {"messages": 1}
    first = act(stage, "one")
    grow_old(stage, "23 hours 59 minutes")
    assert act(stage, "one") == first
    assert await outcomes(send(act, stage, "two")) == ["IDEMPOTENCY_MISMATCH"]
    grow_old(stage, "1 minute 1 second")
    before = stage.rows()
    second = act(stage, "two")
    assert stage.grown(before) == grown | {"idempotency_keys": 0}
    assert act(stage, "two") == second
    assert await outcomes(send(act, stage, "one")) == ["IDEMPOTENCY_MISMATCH"]


async def test_keys_count_per_operation(stage: Stage) -> None:
    before = stage.rows()
    firsts = [act(stage, "one") for act, _, _ in OPERATIONS.values()]
    assert stage.grown(before)["idempotency_keys"] == len(OPERATIONS)
    after = stage.rows()
    repeats = [act(stage, "one") for act, _, _ in OPERATIONS.values()]
    assert stage.rows() == after
    assert [sorted(repeat) for repeat in repeats] == [sorted(first) for first in firsts]


# ---- what single operations promise besides


async def test_concurrent_repeats_renew_an_old_key_once(stage: Stage) -> None:
    record(stage, "one")
    grow_old(stage, "25 hours")
    before = stage.rows()
    async with stage.locked() as lock:
        calls = [send(record, stage, "two") for _ in range(20)]
        await lock.queued(MANY)
    answers = await outcomes(*calls)
    assert answers == [answers[0]] * 20
    assert stage.grown(before) == once("recordMessage") | {"idempotency_keys": 0}


async def test_waiting_repeats_of_a_refused_call_execute_themselves(stage: Stage) -> None:
    # The first has the key and waits for the conversation; the others, with another input, wait for the key.
    before = stage.rows()
    async with stage.locked() as lock:
        calls = await lock.in_order(partial(record, stage, "refused"))
        calls += [send(record, stage, "one") for _ in range(10)]
        await lock.queued(11)
    refused, *answers = await outcomes(*calls)
    assert refused == "BAD_USER_INPUT"
    assert answers == [answers[0]] * 10
    assert stage.grown(before) == once("recordMessage")


async def test_customers_keys_count_in_their_own_conversation(workspace: Workspace, order: str) -> None:
    scenes = [Scene.of(workspace) for _ in range(2)]
    callers = [(item.widget, item) for item in scenes] + [(scenes[0].key, scenes[0])]
    for place, (caller, scene) in enumerate(callers):
        caller.record(scene.conversation, "USER", f"words {place}", idempotencyKey=order)
    for place, (caller, scene) in enumerate(callers):
        caller.record(scene.conversation, "USER", f"words {place}", idempotencyKey=order)
    contents = [[item["content"] for item in item.key.messages(item.conversation)] for item in scenes]
    assert contents == [["words 0", "words 2"], ["words 1"]]
    again = send(scenes[0].widget.record, scenes[0].conversation, "USER", "other words", idempotencyKey=order)
    assert await outcomes(again) == ["IDEMPOTENCY_MISMATCH"]


async def test_repeat_shows_the_present_rows(workspace: Workspace, order: str) -> None:
    scene = Scene.of(workspace)
    key, conversation = scene.key, scene.conversation
    escalated = key.escalate(conversation, "a reason", idempotencyKey=order)
    held = key.record(conversation, "ASSISTANT", "a draft", idempotencyKey=order)
    assert (escalated["created"], held["message"]["status"]) == (True, "HELD")
    key.resolve(escalated["escalation"]["id"])
    before = scene.rows()

    again = key.escalate(conversation, "a reason", idempotencyKey=order)
    assert again["created"]
    resolved = {"id": escalated["escalation"]["id"], "status": "RESOLVED"}
    assert again["escalation"] == escalated["escalation"] | resolved | {"version": 2}
    again = key.record(conversation, "ASSISTANT", "a draft", idempotencyKey=order)
    assert again["message"] == held["message"] | {"status": "DISCARDED"}
    assert again["ai"] == {"state": "ACTIVE", "epoch": 3, "pausedBy": None}
    assert scene.rows() == before


async def test_refused_call_may_succeed_later_with_its_key(stage: Stage) -> None:
    stage.key.resolve(stage.escalation)
    assert await outcomes(send(reply, stage, "one")) == ["CONFLICT"]
    stage.key.reopen(stage.escalation)
    assert reply(stage, "one")["message"]["content"] == "one"


async def test_repeated_report_of_a_tool_counts_no_failure(stage: Stage) -> None:
    reports = [stage.key.fail(stage.elsewhere, idempotencyKey=f"{stage.order}/{n // 3}") for n in range(6)]
    assert reports == [{"consecutiveFailures": n, "escalation": None} for n in (1, 1, 1, 2, 2, 2)]
    third = stage.key.fail(stage.elsewhere, idempotencyKey=stage.order)
    assert (third["consecutiveFailures"], third["escalation"]["status"]) == (3, "OPEN")
    assert stage.key.fail(stage.elsewhere, idempotencyKey=stage.order) == third


async def test_repeated_update_takes_the_version_that_the_first_one_saw(stage: Stage) -> None:
    changes = {"note": "called her", "priority": "HIGH", "expectedVersion": 1, "idempotencyKey": stage.order}
    first = stage.key.update(stage.escalation, **changes)
    assert first["escalation"]["version"] == 2
    stage.key.update(stage.escalation, priority="LOW")
    before = stage.rows()
    again = stage.key.update(stage.escalation, **changes)
    assert again["escalation"] == first["escalation"] | {"priority": "LOW", "version": 3}
    assert stage.rows() == before


async def test_form_that_does_not_escalate_is_repeated_too(stage: Stage) -> None:
    before = stage.rows()
    given = {"fields": {"n": "one"}, "escalate": False, "idempotencyKey": stage.order}
    assert [stage.key.submit(stage.elsewhere, **given) for _ in range(2)] == [None, None]
    assert stage.grown(before) == once("submitForm") | {"trigger_events": 0}


async def test_restarted_conversation_gets_a_fresh_widget_token(workspace: Workspace, order: str) -> None:
    key = Contender(workspace.server.url, workspace.api_key)
    first = key.start(workspace.agent_id, idempotencyKey=order)
    conversation = first["conversation"]["id"]

    def fresher() -> dict[str, Any] | None:
        # A token ends at a full second: it is another one when that has changed.
        again = key.start(workspace.agent_id, idempotencyKey=order)
        assert again["conversation"]["id"] == conversation
        return again if again["widgetTokenExpiresAt"] > first["widgetTokenExpiresAt"] else None

    again = wait_for(fresher, "a token that ends later")
    assert again["widgetToken"] != first["widgetToken"]
    for started in (first, again):
        Contender(key.url, started["widgetToken"]).record(conversation, "USER", "hello")
    assert len(key.messages(conversation)) == 2


# ---- a crash


@pytest.fixture
def own_server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="baton-crash-") as folder:
        Path(folder).chmod(0o755)
        with Server.started(Path(folder)) as server:
            yield server


async def test_each_message_is_recorded_once_though_the_server_is_killed(own_server: Server) -> None:
    scene = Scene.of(own_server.new_workspace())
    words = [f"message {place}" for place in range(90)]

    def say(content: str) -> str | None:
        """Record a message and return its id, or None without an answer."""
        try:
            said = scene.key.record(scene.conversation, "USER", content, idempotencyKey=content)
        except httpx.TransportError:
            return None
        return str(said["message"]["id"])

    def recorded() -> int:
        counted = own_server.rows("SELECT count(*) AS n FROM messages WHERE conversation_id = $1", scene.uuid)
        return int(counted[0]["n"])

    calls = [send(say, content) for content in words]
    answered = asyncio.as_completed(calls)
    for _ in range(10):
        assert await next(answered)
    # The others wait for each other at the conversation's lock, or have not been answered yet.
    assert own_server.stop(SIGKILL) == -SIGKILL
    answers = await asyncio.gather(*calls)
    by_content = {content: id_ for content, id_ in zip(words, answers, strict=True) if id_}
    assert 10 <= len(by_content) <= recorded() < len(words)

    own_server.start()
    again = await asyncio.gather(*(send(say, content) for content in words))
    assert len(set(again)) == len(words)
    assert None not in again
    assert by_content.items() <= dict(zip(words, again, strict=True)).items()
    ledger = Ledger.of(scene)
    ledger.check()
    assert sorted(message["content"] for message in ledger.messages) == sorted(words)
