"""A pending escalation is averted or fires exactly once, decided by the clock and the lock."""

import asyncio
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Workspace, wait_for
from tests.support.conversation_driver import CONFIRMATION
from tests.support.locks import hold, outcomes
from tests.support.pending_escalations import (
    FOR_THE_TEAM,
    LONG,
    Doubt,
    await_timers,
    end_delays,
    instant,
    jobs_of,
)
from tests.support.sla_clocks import Stage

pytestmark = pytest.mark.anyio

RACES, AT_ONCE = 300, 50
BUNDLE = 25  # conversations that one request begins


# ---- races of the timer and a reply


START = "one%d: startConversation(input: {agentId: %s}) { conversation { id } }"
DOUBT = """one%d: recordMessage(input: {conversationId: %s, role: ASSISTANT, content: "Hm.", confidence: 20})
    { pendingEscalation { confidence } }"""
STATES = """SELECT c.id, p.outcome, p.ended_at < p.fires_at AS early, c.pending_escalation_id AS pending,
        (SELECT array_agg(trigger) FROM escalations WHERE conversation_id = c.id) AS triggers,
        (SELECT count(*) FROM messages WHERE conversation_id = c.id AND role = 'SYSTEM') AS notices,
        (SELECT array_agg(type ORDER BY position) FROM log WHERE stream = c.id) AS log
    FROM conversations c LEFT JOIN pending_escalations p ON p.conversation_id = c.id WHERE c.id = ANY($1)"""

OPENED = ["message.added", "conversation.escalation_pending"]
FIRED = ["conversation.escalation_fired", "conversation.escalated", "conversation.ai_paused", "message.added"]
WON = {
    "AVERTED": {
        "answer": ("DELIVERED", "ACTIVE", None),
        "early": True,
        "triggers": None,
        "notices": 0,
        "log": [*OPENED, "message.added", "conversation.escalation_averted"],
    },
    "FIRED": {
        "answer": ("HELD", "PAUSED", "LOW_CONFIDENCE"),
        "early": False,
        "triggers": ["LOW_CONFIDENCE"],
        "notices": 1,
        "log": [*OPENED, *FIRED, "message.added"],
    },
}


class Arena:
    """Conversations whose uncertainty fires at the very instant at which confident replies come."""

    def __init__(self, team: Workspace, client: httpx.AsyncClient) -> None:
        self._agent_id = team.agent_id
        self._server = team.server
        self._client = client
        self._lead = 0.2  # seconds from the first reply to the instant
        team.key.settings(team.agent_id, autoEscalation={"delaySeconds": LONG})

    async def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self._client.post("/graphql", json={"query": query, "variables": variables})
        result: dict[str, Any] = answer.json()
        assert "errors" not in result, result
        data: dict[str, Any] = result["data"]
        return data

    async def _ask_bundled(self, field: str, ids: list[str]) -> list[Any]:
        """Run a mutation for each id in one request, and return the payloads."""
        bundles = [ids[place : place + BUNDLE] for place in range(0, len(ids), BUNDLE)]
        fields = [" ".join(field % (n, f'"{id_}"') for n, id_ in enumerate(bundle)) for bundle in bundles]
        answers = await asyncio.gather(*(self._ask(f"mutation {{ {item} }}") for item in fields))
        return [item for answer in answers for item in answer.values()]

    async def race(self, number: int) -> Counter[str]:
        """Run races and count the winners. Each race has exactly one."""
        started = await self._ask_bundled(START, [self._agent_id] * number)
        conversations = [item["conversation"]["id"] for item in started]
        waiting = {"pendingEscalation": {"confidence": 20}}
        assert await self._ask_bundled(DOUBT, conversations) == [waiting] * number
        uuids = [parse_id(CONVERSATION, conversation) for conversation in conversations]
        query = "SELECT id FROM pending_escalations WHERE conversation_id = ANY($1)"
        keys = [row["id"] for row in self._server.rows(query, uuids)]
        assert jobs_of(self._server, keys) == number

        end_delays(self._server, keys, self._lead)
        answers = await asyncio.gather(*map(self._answer, conversations))
        await_timers(self._server, keys)
        states = {row["id"]: row for row in self._server.rows(STATES, uuids)}
        winners = Counter(map(_winner, answers, (states[uuid] for uuid in uuids)))
        # So that next time half of them are before the instant.
        self._lead *= 2 / 3 if winners["AVERTED"] > winners["FIRED"] else 3 / 2
        return winners

    async def _answer(self, conversation: str) -> dict[str, Any]:
        given = {"conversationId": conversation, "role": "ASSISTANT", "content": "Yes.", "confidence": 90}
        record_message: dict[str, Any] = (await self._ask(FOR_THE_TEAM, input=given))["recordMessage"]
        return record_message


def _winner(answer: dict[str, Any], row: dict[str, Any]) -> str:
    escalation = answer["escalation"] and answer["escalation"]["trigger"]
    said = (answer["message"]["status"], answer["ai"]["state"], escalation)
    result = {"answer": said, **{name: row[name] for name in ("early", "triggers", "notices", "log")}}
    assert result == WON[row["outcome"]]
    assert answer["pendingEscalation"] is row["pending"] is None
    return str(row["outcome"])


@pytest.mark.timeout(300)  # on a busy machine; otherwise it takes a dozen seconds
async def test_races_of_timer_and_reply_have_exactly_one_winner(team: Workspace) -> None:
    async with httpx.AsyncClient(
        base_url=team.server.url,
        headers=team.key.headers,
        trust_env=False,
        timeout=30,
        limits=httpx.Limits(max_connections=16),
    ) as client:
        arena = Arena(team, client)
        winners = sum([await arena.race(AT_ONCE) for _ in range(RACES // AT_ONCE)], Counter[str]())
    assert winners.total() == RACES
    assert min(winners["AVERTED"], winners["FIRED"]) > 0, winners


# ---- who has the lock


FIRST: dict[str, tuple[Callable[[Doubt], Any], str]] = {
    "a confident reply": (lambda doubt: doubt.replies(90), "AVERTED"),
    "the button": (lambda doubt: doubt.presses(), "TAKEN_OVER"),
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
async def test_timer_that_waits_for_the_lock_finds_nothing_to_fire(
    team: Workspace, first: tuple[Callable[[Doubt], Any], str]
) -> None:
    act, outcome = first
    doubt = Doubt.begin(team, delay=2)
    doubt.replies(31.5)
    # It has the conversation's lock and waits for the log, until the timer waits for it.
    async with hold(team.server, "streams", doubt.uuid) as lock:
        calls = await lock.in_order(partial(act, doubt))
        await lock.queued(2)
    await outcomes(*calls)
    await_timers(team.server, [row["id"] for row in doubt.kept])
    assert (doubt.outcomes, doubt.waits) == ([outcome], None)
    triggers = [escalation["trigger"] for escalation in doubt.checked().escalations]
    assert triggers == ([] if outcome == "AVERTED" else ["BUTTON"])


async def test_confident_reply_that_waits_for_the_lock_of_the_timer_is_held(team: Workspace) -> None:
    doubt = Doubt.begin(team)
    doubt.replies(31.5)
    keys = [row["id"] for row in doubt.kept]
    async with hold(team.server, "streams", doubt.uuid) as lock:
        end_delays(team.server, keys)
        await lock.queued(1)
        calls = await lock.in_order(partial(doubt.replies, 90), doubt.presses)
    said, pressed = await outcomes(*calls)
    assert (said["message"]["status"], said["pendingEscalation"]) == ("HELD", None)
    assert (pressed["created"], pressed["escalation"]) == (False, {"id": said["escalation"]["id"]})
    await_timers(team.server, keys)
    checked = doubt.checked()
    assert [escalation["trigger"] for escalation in checked.escalations] == ["LOW_CONFIDENCE"]
    assert checked.kinds(checked.escalations[0]["id"]) == ["created", "ai_paused", "triggered"]
    assert doubt.outcomes == ["FIRED"]


async def test_repeated_timer_fires_once(team: Workspace) -> None:
    doubt = Doubt.begin(team)
    doubt.replies(31.5)
    keys = [row["id"] for row in doubt.kept]
    team.server.execute(
        """INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
           SELECT priority, entrypoint, payload, status, execute_after FROM pgqueuer WHERE payload = $1""",
        keys[0].bytes,
    )
    async with hold(team.server, "conversations", doubt.uuid) as lock:
        end_delays(team.server, keys)
        await lock.queued(2)
    await_timers(team.server, keys)
    assert [escalation["trigger"] for escalation in doubt.checked().escalations] == ["LOW_CONFIDENCE"]
    assert (doubt.notices, doubt.outcomes) == ([CONFIRMATION], ["FIRED"])


# ---- when no worker runs


@pytest.fixture(scope="module")
def unattended() -> Iterator[Workspace]:
    """A workspace of a server that has no worker."""
    with tempfile.TemporaryDirectory(prefix="baton-pending-") as folder:
        Path(folder).chmod(0o755)
        with Stage.built(Path(folder)) as stage:
            stage.serve("--no-worker")
            yield stage.new_workspace()


@pytest.fixture
def overdue(unattended: Workspace) -> Doubt:
    """A conversation in which an uncertain reply should have fired."""
    doubt = Doubt.begin(unattended, triggers={"topics": [{"name": "money", "keywords": ["refund"]}]})
    doubt.replies(31.5)
    keys = [row["id"] for row in doubt.kept]
    end_delays(doubt.server, keys)
    assert doubt.waits is not None
    assert (doubt.silent, jobs_of(doubt.server, keys)) == (True, 1), "there is nobody to fire it"
    return doubt


Transaction = Callable[[Doubt], dict[str, Any]]
LATE: dict[str, tuple[Transaction, str, list[str]]] = {
    "a confident reply": (lambda doubt: doubt.replies(99), "HELD", []),
    "an uncertain reply": (lambda doubt: doubt.replies(1), "HELD", []),
    "a reply without confidence": (lambda doubt: doubt.replies(None), "HELD", []),
    "a customer in the widget": (lambda doubt: doubt.writes("Hm."), "DELIVERED", []),
    "a customer": (lambda doubt: doubt.records("USER", "Hm."), "DELIVERED", []),
    "a customer who asks for a person": (
        lambda doubt: doubt.records("USER", "let me talk to a human"),
        "DELIVERED",
        ["PHRASE"],
    ),
    "a customer with a topic": (lambda doubt: doubt.records("USER", "My refund?"), "DELIVERED", ["TOPIC"]),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_message_of_either_side_fires_a_due_escalation(
    overdue: Doubt, late: tuple[Transaction, str, list[str]]
) -> None:
    act, status, folded = late
    said = act(overdue)
    assert (said["message"]["status"], said["pendingEscalation"]) == (status, None)
    assert said["ai"] == {"state": "PAUSED", "epoch": 2, "pausedBy": "ESCALATION"}
    assert said["escalation"]["id"] == overdue.escalation["id"]
    fired = [(trigger["trigger"], trigger["confidence"]) for trigger in overdue.escalation["triggers"]]
    assert fired == [("LOW_CONFIDENCE", 31.5), *((item, None) for item in folded)]
    (kept,) = overdue.kept
    assert (kept["outcome"], kept["ended_at"]) == ("FIRED", instant(said["message"]["createdAt"]))
    roles = [message["role"] for message in overdue.checked().messages]
    assert roles[:2] == ["ASSISTANT", "SYSTEM"], "it was escalated before the message was said"


CALLS: dict[str, tuple[Callable[[Doubt], Any], str]] = {
    "the button": (lambda doubt: doubt.presses(), "BUTTON"),
    "a form": (lambda doubt: doubt.submits(), "FORM"),
    "a tool": (lambda doubt: [doubt.fails() for _ in range(3)][-1], "TOOL_FAILURE"),
    "a call": (lambda doubt: doubt.key.escalate(doubt.id), "API"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_other_trigger_after_the_due_time_is_folded(
    overdue: Doubt, call: tuple[Callable[[Doubt], Any], str]
) -> None:
    act, trigger = call
    assert act(overdue)["escalation"]["id"] == overdue.escalation["id"]
    checked = overdue.checked()
    assert [item["trigger"] for item in overdue.escalation["triggers"]] == ["LOW_CONFIDENCE", trigger]
    assert checked.kinds(checked.escalations[0]["id"]) == ["created", "ai_paused", "triggered"]
    assert (overdue.outcomes, overdue.notices) == (["FIRED"], [CONFIRMATION])


ASKED: dict[str, Callable[[Doubt], object]] = {
    "a message": lambda doubt: doubt.says("Are you there?"),
    "a form that does not escalate": lambda doubt: doubt.submits(escalate=False),
}


@pytest.mark.parametrize("asks", ASKED.values(), ids=ASKED)
def test_message_or_form_of_the_customer_fires_a_due_escalation(
    overdue: Doubt, asks: Callable[[Doubt], object]
) -> None:
    asks(overdue)
    assert overdue.outcomes == ["FIRED"]
    assert overdue.published == ["escalation.created", "conversation.ai_paused"]


async def test_concurrent_speakers_fire_the_escalation_once(overdue: Doubt) -> None:
    async with hold(overdue.server, "conversations", overdue.uuid) as lock:
        calls = await lock.in_order(
            *[partial(overdue.replies, confidence) for confidence in (90, 5, None, 99)]
        )
    said = await outcomes(*calls)
    assert [item["message"]["status"] for item in said] == ["HELD"] * 4
    assert len(overdue.checked().escalations) == 1
    assert (overdue.outcomes, overdue.notices) == (["FIRED"], [CONFIRMATION])


def has_fired(doubt: Doubt) -> bool:
    return doubt.outcomes == ["FIRED"]


def test_escalation_due_while_nothing_ran_fires_once_after_the_start() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-pending-") as folder:
        Path(folder).chmod(0o755)
        with Stage.built(Path(folder)) as stage:
            stage.serve()
            workspace = stage.new_workspace()
            doubts = [Doubt.begin(workspace) for _ in range(3)]
            for doubt in doubts:
                doubt.replies(31.5)
            keys = [doubt.kept[0]["id"] for doubt in doubts]
            stage.stop(signal.SIGKILL)
            end_delays(stage, keys[:1])
            # Another has lost its timer altogether.
            end_delays(stage, keys[1:2], -10)
            stage.execute("DELETE FROM pgqueuer WHERE payload = $1", keys[1].bytes)
            stage.serve()

            for doubt in doubts[:2]:
                wait_for(partial(has_fired, doubt), "it to fire")
            await_timers(stage, keys[:2])
            for doubt in doubts[:2]:
                assert [escalation["trigger"] for escalation in doubt.checked().escalations] == [
                    "LOW_CONFIDENCE"
                ]
                assert doubt.notices == [CONFIRMATION]
            assert (doubts[2].outcomes, doubts[2].silent) == (["WAITING"], True)
            assert doubts[2].replies(90)["pendingEscalation"] is None
            assert doubts[2].outcomes == ["AVERTED"]
