"""Replays by settings in which low confidence waits: on the recorded clock, whenever they are run."""

import json
import signal
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.pending_escalations import Doubt, end_delays
from tests.support.replay_command import Replays, says

DELAY = 60
BEGUN = datetime(2019, 5, 4, 21, 50, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after a conversation's beginning."""
    return BEGUN + timedelta(seconds=seconds)


def spoken(seconds: float) -> str:
    """Return a time as the report prints it."""
    return f"{at(seconds):%Y-%m-%dT%H:%M:%S.%fZ}"


def ai(seconds: float | None, confidence: float | None = None, content: str = "Perhaps.") -> dict[str, Any]:
    return said("assistant", seconds, content, confidence=confidence)


def said(role: str, seconds: float | None, content: str = "Hm.", **more: Any) -> dict[str, Any]:
    """Return a message at a time after the start."""
    return says(role, content, **more, **({} if seconds is None else {"at": spoken(seconds)}))


ASKS = "can I talk to a human please"
AVERTED: dict[str, list[dict[str, Any]]] = {
    "averted": [ai(0, 30), said("user", 10), ai(59.9, 50)],
    "averted, then nothing": [ai(0, 30), ai(30, 80), said("user", 500), ai(600, 90)],
    "averted at the same instant": [ai(0, 30), ai(None, 90), said("user", 500)],
    "a person before it was averted": [ai(0, 30), said("human", 20), ai(30, 90), said("human", 90)],
    "untimed, averted": [ai(None, 30), said("user", None), ai(None, 12), ai(None, 90), said("user", None)],
}
# By the line's id: the messages, then message, time, confidence, more triggers and held replies reported.
Line = tuple[list[dict[str, Any]], int, float | None, float | None, int, int]
ESCALATED: dict[str, Line] = {
    "fired between two messages": (
        [said("user", 0), ai(5, 31.5, "First."), ai(6, 12), said("user", 100), ai(101, 99)],
        *(2, 65, 31.5, 0, 1),
    ),
    "fired at the instant of a reply": ([ai(0, 30, "First."), ai(60, 99)], 1, 60, 30, 0, 1),
    "fired before a person's words": (
        [ai(0, 30, "First."), said("human", 59), said("user", 80), said("human", 90)],
        *(1, 60, 30, 0, 0),
    ),
    "fired at the instant of a person's words": (
        [ai(0, 30, "First."), said("human", 60)],
        *(1, 60, 30, 0, 0),
    ),
    "fired at a note": ([ai(0, 30, "First."), said("system", 70), ai(71, 99)], 1, 60, 30, 0, 1),
    "fired at the end": ([said("user", 0), ai(1, 49.9, "First."), said("user", 2)], 2, 61, 49.9, 0, 0),
    "fired the second time": (
        [ai(0, 30), ai(10, 70), ai(20, 12, "Second."), said("user", 81), said("user", 82, ASKS)],
        *(3, 80, 12, 1, 0),
    ),
    "taken over": ([ai(0, 30), said("user", 30, ASKS), ai(61, 99)], 2, 30, None, 0, 1),
    "asked for once it had fired": ([ai(0, 30, "First."), said("user", 60, ASKS)], 1, 60, 30, 1, 0),
    "untimed, fired at the end": (
        [ai(None, 30, "First."), ai(None, 12), said("user", None)],
        1,
        None,
        30,
        0,
        0,
    ),
    "untimed, taken over": ([ai(None, 30), said("user", None, ASKS), ai(None, 99)], 2, None, None, 0, 1),
}
OUTCOMES = {
    **dict.fromkeys(AVERTED, "AVERTED"),
    **dict.fromkeys(ESCALATED, "FIRED"),
    **dict.fromkeys(["taken over", "untimed, taken over"], "TAKEN_OVER"),
    "fired the second time": "AVERTED, FIRED",
}


@pytest.fixture(scope="module")
def replays() -> Iterator[Replays]:
    with Replays.opened() as opened:
        yield opened


def settings(replays: Replays, delay: int = DELAY, **more: Any) -> tuple[str, Path]:
    """Return the option with a file of settings."""
    path = replays.home / f"settings-{len(list(replays.home.iterdir()))}.json"
    path.write_text(json.dumps({"autoEscalation": {"delaySeconds": delay}, **more}))
    return "--settings", path


def lines(conversations: dict[str, list[dict[str, Any]]], times: int = 1) -> list[dict[str, Any]]:
    """Return the lines of a file: all conversations, `times` times."""
    return [
        {"id": f"{name}/{turn}", "messages": messages}
        for turn in range(times)
        for name, messages in conversations.items()
    ]


EVERYTHING = AVERTED | {name: line[0] for name, line in ESCALATED.items()}
TIMES = 4


@pytest.fixture(scope="module")
def report(replays: Replays) -> dict[str, Any]:
    """The report of the replay of all of these."""
    return replays.result(replays.file("all.jsonl", *lines(EVERYTHING, TIMES)), *settings(replays))


@pytest.mark.parametrize("name", ESCALATED)
def test_delayed_escalation_is_reported_with_its_uncertain_reply(report: dict[str, Any], name: str) -> None:
    messages, number, seconds, confidence, folded, held = ESCALATED[name]
    (row,) = (
        escalation for escalation in report["escalations"] if escalation["conversationId"] == f"{name}/0"
    )
    fired = confidence is not None
    assert row == {
        "conversationId": f"{name}/0",
        "line": list(EVERYTHING).index(name) + 1,
        "message": number,
        "content": messages[number - 1]["content"],
        "at": None if seconds is None else spoken(seconds),
        "trigger": "LOW_CONFIDENCE" if fired else "PHRASE",
        "reason": "low_confidence" if fired else "user_phrase",
        "detail": None if fired else "can I talk to a human please",
        "confidence": confidence,
        "priority": "MEDIUM",
        "foldedTriggers": folded,
        "heldReplies": held,
    }


def test_averted_escalation_is_not_reported(report: dict[str, Any]) -> None:
    names = [escalation["conversationId"].partition("/")[0] for escalation in report["escalations"]]
    assert names == list(ESCALATED) * TIMES
    summary, escalated = report["summary"], len(ESCALATED) * TIMES
    assert (summary["conversations"], summary["escalated"]) == (len(EVERYTHING) * TIMES, escalated)
    assert summary["byTrigger"] == {"PHRASE": 2 * TIMES, "LOW_CONFIDENCE": escalated - 2 * TIMES}
    # Two in a conversation that was averted, one before the time of another.
    assert summary["humanMessagesWithoutEscalation"] == 3 * TIMES
    assert summary["heldReplies"] == sum(line[5] for line in ESCALATED.values()) * TIMES


PENDING = """SELECT c.metadata->'replay'->>'id' AS line, p.outcome, p.confidence, m.content,
        CASE WHEN (c.metadata->'replay'->>'timed')::boolean
             THEN jsonb_build_array(p.requested_at, p.fires_at, p.ended_at) END AS times
    FROM pending_escalations p JOIN conversations c ON c.id = p.conversation_id
    JOIN messages m ON m.id = p.message_id
    WHERE p.workspace_id = $1 ORDER BY 1, p.requested_at"""


def pending(replays: Replays, scratch: Any) -> list[dict[str, Any]]:
    """All that has waited in a replay."""
    return replays.rows(PENDING, scratch)


@pytest.mark.usefixtures("report")
def test_pending_escalations_are_stored_on_the_recorded_clock(replays: Replays) -> None:
    scratch = replays.scratches[0]
    result: dict[str, list[str]] = {}
    for row in pending(replays, scratch):
        result.setdefault(row["line"], []).append(row["outcome"])
        if row["times"]:
            requested, fires, ended = map(datetime.fromisoformat, json.loads(row["times"]))
            assert fires - requested == timedelta(seconds=DELAY)
            assert (ended == fires) == (row["outcome"] == "FIRED")
            assert BEGUN <= requested <= ended <= fires
    expected = {f"{name}/{turn}": kept for name, kept in OUTCOMES.items() for turn in range(TIMES)}
    assert {line: ", ".join(outcomes) for line, outcomes in result.items()} == expected
    # Nothing of it is left to any worker.
    keys = "SELECT uuid_send(id) FROM pending_escalations UNION ALL SELECT uuid_send(id) FROM escalations"
    assert replays.rows(f"SELECT 1 FROM pgqueuer WHERE payload IN ({keys})") == []


@pytest.mark.usefixtures("report")
def test_confirmation_stands_at_its_recorded_time(replays: Replays) -> None:
    notices = [
        (item["role"], item["status"], item["at"])
        for item in replays.transcript(replays.scratches[0])
        if item["line"] == "fired between two messages/0"
    ]
    assert notices == [
        ("USER", "DELIVERED", at(0)),
        ("ASSISTANT", "DELIVERED", at(5)),
        ("ASSISTANT", "DELIVERED", at(6)),
        ("SYSTEM", "DELIVERED", at(65)),
        ("USER", "DELIVERED", at(100)),
        ("ASSISTANT", "HELD", at(101)),
    ]


def test_pending_escalation_is_folded_into_an_active_one(replays: Replays) -> None:
    talk = [said("user", 0, ASKS), said("human", 5), ai(10, 30), said("user", 100), ai(110, 99)]
    tried = settings(replays, ai={"resumeOn": "HUMAN_REPLY"})
    (row,) = replays.result(replays.file("fold.jsonl", *lines({"fold": talk})), *tried)["escalations"]
    assert (row["message"], row["trigger"], row["at"]) == (1, "PHRASE", spoken(0))
    assert (row["foldedTriggers"], row["heldReplies"]) == (1, 1)


# ---- stopped, and gone on with


Whole = tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]


def whole(replays: Replays, report: dict[str, Any], scratch: Any) -> Whole:
    """Return the output of a replay and its rows."""
    return report, replays.transcript(scratch), pending(replays, scratch)


def test_killed_replay_continues_with_the_same_result(replays: Replays, report: dict[str, Any]) -> None:
    uninterrupted, before = whole(replays, report, replays.scratches[0]), len(replays.scratches)
    # The button's text makes it a replay of its own, and changes nothing in it.
    given = (replays.home / "all.jsonl", *settings(replays, widget={"buttonText": "Killed"}))
    code, _ = replays.stop(given, signal.SIGKILL, len(uninterrupted[1]) // 2)
    assert code == -signal.SIGKILL
    result = replays.result(*given)
    (scratch,) = replays.scratches[before:]
    assert whole(replays, result, scratch) == uninterrupted


def test_time_that_passes_does_not_fire_what_has_no_recorded_clock(replays: Replays) -> None:
    calm = [said("user", None, f"Question {number}") for number in range(150)]
    talk = [ai(None, 30), *calm, ai(None, 90), said("user", None)]
    given = (replays.file("untimed.jsonl", *lines({"untimed": talk})), *settings(replays, delay=1))
    code, _ = replays.stop(given, signal.SIGKILL, 20)
    assert code == -signal.SIGKILL
    (waits,) = pending(replays, replays.scratches[-1])
    assert waits["outcome"] == "WAITING"
    over = "SELECT 1 FROM pending_escalations WHERE outcome = 'WAITING' AND fires_at < clock_timestamp()"
    wait_for(lambda: replays.rows(over), "the delay to be over")
    assert replays.result(*given)["escalations"] == []
    assert [item["outcome"] for item in pending(replays, replays.scratches[-1])] == ["AVERTED"]


def test_worker_ignores_pending_escalations_of_a_replay(server: Server, workspace: Workspace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        replays = Replays(Path(folder), server)
        calm = [said("user", 10, f"Question {number}") for number in range(80)]
        file = replays.file("waits.jsonl", *lines({"waits": [ai(0, 30), *calm, ai(20, 90)]}, 4))
        given = (file, *settings(replays))
        code, _ = replays.stop(given, signal.SIGKILL, 20)
        assert code == -signal.SIGKILL
        scratch = replays.scratches[-1]
        waits = pending(replays, scratch)
        assert {wait["outcome"] for wait in waits} == {"WAITING"}

        # Until the worker has fired the pending escalation that is really due and had lost its timer.
        doubt = Doubt.begin(workspace)
        doubt.replies(30)
        key = doubt.kept[0]["id"]
        server.execute("DELETE FROM pgqueuer WHERE payload = $1", key.bytes)
        end_delays(server, [key], -10)
        wait_for(lambda: doubt.outcomes == ["FIRED"], "the worker to look")
        assert pending(replays, scratch) == waits
        assert replays.result(*given)["escalations"] == []
