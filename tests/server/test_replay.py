"""`baton replay`, as a team runs it on its own history."""

import json
import os
import pty
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.replay_command import ASKING, Replays, says

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/conversations.jsonl"


@pytest.fixture(scope="module")
def folder() -> Iterator[Replays]:
    with Replays.opened() as opened:
        yield opened


@pytest.fixture(scope="module")
def replays(folder: Replays) -> Replays:
    """One in which the example has been replayed, so that there are tables to look into."""
    folder.example = folder.result(EXAMPLE)
    return folder


# ---- the report


def test_example_shows_what_would_have_been_escalated_when_and_why(replays: Replays) -> None:
    example = replays.example
    rows = {escalation["conversationId"]: escalation for escalation in example["escalations"]}
    assert [escalation["line"] for escalation in example["escalations"]] == [2, 3, 4, 5, 10]
    assert rows["asks-for-a-person-2"] == {
        "conversationId": "asks-for-a-person-2",
        "line": 2,
        "message": 3,
        "content": "can I talk to a human please",
        "at": "2026-03-02T09:16:00.000000Z",
        "trigger": "PHRASE",
        "reason": "user_phrase",
        "detail": "can I talk to a human please",
        "confidence": None,
        "priority": "MEDIUM",
        "foldedTriggers": 0,
        "heldReplies": 2,
    }
    unsure = [rows["unsure-3"][name] for name in ("trigger", "reason", "confidence")]
    assert unsure == ["LOW_CONFIDENCE", "low_confidence", 31.5]
    assert (rows["asks-twice-4"]["message"], rows["asks-twice-4"]["foldedTriggers"]) == (1, 2)
    assert (rows["without-times-10"]["message"], rows["without-times-10"]["at"]) == (3, None)
    assert example["summary"] == {
        "conversations": 10,
        "escalated": 5,
        "escalatedPercent": 50.0,
        "byTrigger": {"PHRASE": 4, "LOW_CONFIDENCE": 1},
        "byPriority": {"MEDIUM": 5},
        "messages": 34,
        "messagesByRole": {"user": 17, "assistant": 14, "human": 2, "system": 1},
        "uncertainReplies": 1,
        "heldReplies": 5,
        "humanMessagesWithoutEscalation": 1,
    }


def test_tables_and_a_progress_bar_are_printed_on_a_terminal_only(replays: Replays) -> None:
    path = replays.file("table.jsonl", {"id": "a\x1b[31mb", "messages": [ASKING]})
    code, out, err = replays.run(path)
    assert code == 0
    row = next(line for line in out.splitlines() if "user_phrase" in line)
    assert "a\N{REPLACEMENT CHARACTER}[31mb" in row  # nothing in a file steers the terminal
    assert [word for word in ("PHRASE", "MEDIUM", "can I talk to a") if word not in row] == []
    assert "\x1b" not in out + err
    assert "conversations" not in err

    near, far = pty.openpty()
    with os.fdopen(far, "wb") as terminal:
        process = replays.begin(path, "--fresh", errors=terminal)
        out, _ = process.communicate()
    said = os.read(near, 100_000).decode()
    os.close(near)
    assert process.returncode == 0
    assert "1/1" in said
    assert "conversations" in said
    assert "\x1b" not in out


def test_readme_of_replays_shows_settings_that_work(replays: Replays) -> None:
    text = (ROOT / "docs/replay.md").read_text()
    path = replays.home / "documented.json"
    path.write_text(text.split("```json\n")[1].split("```")[0])
    result = replays.result(EXAMPLE, "--settings", path)
    rows = {escalation["conversationId"]: escalation for escalation in result["escalations"]}
    assert (rows["refund-8"]["trigger"], rows["refund-8"]["detail"]) == ("TOPIC", "refunds")
    assert (rows["cancels-9"]["detail"], rows["cancels-9"]["priority"]) == ("leaving", "HIGH")
    assert rows["cancels-9"]["heldReplies"] == 1


def test_rows_are_written_on_the_recorded_clock(replays: Replays) -> None:
    at = [f"2019-05-04T23:5{minute}:00+02:00" for minute in range(5)]
    talk = [
        says("assistant", "Perhaps.", confidence=3),  # without a time: that of the first there is
        says("user", "agent please", at=at[1]),
        says("assistant", "Held."),  # without a time: that of the message before
        says("human", "Bo here.", at=at[3]),
        says("user", "Thanks", at=at[4]),
    ]
    result = replays.result(replays.file("clock.jsonl", {"id": "clock", "messages": talk}))
    assert result["escalations"][0]["at"] == "2019-05-04T21:51:00.000000Z"
    scratch = replays.scratches[-1]
    times = [datetime(2019, 5, 4, 21, minute, tzinfo=UTC) for minute in (51, 53, 54)]
    said = replays.rows(
        """SELECT m.role, m.created_at FROM messages m JOIN conversations c ON c.id = m.conversation_id
           WHERE c.workspace_id = $1 ORDER BY m.position""",
        scratch,
    )
    assert [(item["role"], item["created_at"]) for item in said] == [
        ("ASSISTANT", times[0]),
        ("SYSTEM", times[0]),
        ("USER", times[0]),
        ("ASSISTANT", times[0]),
        ("HUMAN", times[1]),
        ("USER", times[2]),
    ]
    written = replays.rows(
        """SELECT row_to_json(e)::text || row_to_json(c)::text AS rows FROM escalations e
             JOIN conversations c ON c.id = e.conversation_id WHERE c.workspace_id = $1
           UNION ALL SELECT row_to_json(t)::text FROM timeline_entries t
             JOIN escalations e ON e.id = t.escalation_id WHERE e.workspace_id = $1
           UNION ALL SELECT row_to_json(t)::text FROM trigger_events t
             JOIN escalations e ON e.id = t.escalation_id WHERE e.workspace_id = $1
           UNION ALL SELECT occurred_at::text FROM log WHERE stream = $1
              OR stream IN (SELECT id FROM conversations WHERE workspace_id = $1)""",
        scratch,
    )
    dates = re.findall(r"\b(\d{4}-\d\d-\d\d)[T ]", " ".join(item["rows"] for item in written))
    assert len(dates) > 20
    assert set(dates) == {"2019-05-04"}


def test_ai_speaks_with_the_new_epoch_after_a_reply_that_hands_back(replays: Replays) -> None:
    talk = [
        says("human", "Nobody asked yet."),
        ASKING,
        says("assistant", "Held."),
        says("human", "Bo here, the AI goes on."),
        says("assistant", "Here I am again."),
        says("assistant", "Not sure.", confidence=10),
        says("assistant", "More of the same."),
        says("human", "Bo once more."),
    ]
    path = replays.file("back.jsonl", {"id": "back", "messages": talk})
    settings = replays.home / "back.json"
    settings.write_text('{"ai": {"resumeOn": "HUMAN_REPLY"}}')
    result = replays.result(path, "--settings", settings)
    (row,) = result["escalations"]
    assert (row["message"], row["foldedTriggers"], row["heldReplies"]) == (2, 1, 2)
    assert result["summary"]["humanMessagesWithoutEscalation"] == 1
    said = {row["content"]: row["status"] for row in replays.transcript(replays.scratches[-1])}
    assert (said["Held."], said["More of the same."]) == ("DISCARDED", "DISCARDED")
    assert said["Here I am again."] == said["Not sure."] == "DELIVERED"
    assert "Nobody asked yet." not in said


# ---- settings


def test_settings_are_those_of_a_file_or_of_an_agent(server: Server, workspace: Workspace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        replays = Replays(Path(folder), server)
        file = replays.file(
            "threshold.jsonl",
            {"id": "a", "messages": [says("assistant", "Hm.", confidence=45)]},
            {"id": "b", "messages": [says("user", "I want a refund")]},
        )
        tried = replays.home / "tried.json"
        tried.write_text('{"autoEscalation": {"confidenceThreshold": 40}}')
        topic = {"name": "money", "keywords": ["refund"], "intents": None, "priority": "URGENT"}
        workspace.key.settings(workspace.agent_id, triggers={"topics": [topic]})
        cursor = workspace.key.ask("{ escalations { cursor } }")
        before = len(replays.scratches)

        def escalated(*arguments: object) -> list[str]:
            return [
                escalation["conversationId"] for escalation in replays.result(file, *arguments)["escalations"]
            ]

        assert escalated("--settings", tried) == []
        assert escalated("--agent", workspace.agent_id) == ["a", "b"]
        assert escalated("--agent", workspace.agent_id, "--settings", tried) == ["b"]

        # No notification: the agent's own workspace has no row of it, not even in its log.
        assert workspace.key.ask("{ escalations { cursor } }") == cursor
        assert workspace.key.ask("{ conversations { nodes { id } } }")["conversations"]["nodes"] == []
        assert len(replays.scratches) == before + 3
        scratches = server.rows("SELECT scratch FROM workspaces WHERE name LIKE 'replay %'")
        assert all(row["scratch"] for row in scratches)
        unknown = workspace.agent_id[:-4] + "0000"
        assert replays.run(file, "--agent", unknown) == (1, "", "There is no such AI agent.\n")
        assert len(replays.scratches) == before + 3


# ---- what is refused


def test_fault_at_the_end_is_found_before_anything_is_recorded(replays: Replays) -> None:
    before = replays.recorded, len(replays.scratches)
    path = replays.file("faulty.jsonl", {"id": "good", "messages": [ASKING]}, '{"id": "bad"}')
    code, out, err = replays.run(path)
    assert (code, out, err) == (1, "", "faulty.jsonl, line 2: messages is missing.\n")
    settings = replays.home / "faulty.json"
    settings.write_text('{"autoEscalation": {"delay": 3}}')
    code, out, err = replays.run(EXAMPLE, "--settings", settings)
    assert (code, out) == (1, "")
    assert err == (
        "faulty.json: autoEscalation.delay is not a setting; "
        "autoEscalation has enabled, confidenceThreshold, delaySeconds.\n"
    )
    assert (replays.recorded, len(replays.scratches)) == before


# ---- stopping, and going on


_TOLD = 10 * 10 + 20 * 12


def _long(replays: Replays, name: str) -> tuple[object, ...]:
    """Return the arguments of a long replay of every kind. `_TOLD` of its messages are recorded."""
    talk = [
        says("system", "Be kind."),
        says("human", "Too early."),
        says("assistant", "Hello!", confidence=90),
        says("user", "My parcel is late", at="2025-01-01T10:00:00Z"),
        says("assistant", "Which one?", confidence=70),
        says("user", "agent please"),
        says("assistant", "Held."),
        says("human", "Bo here.", at="2025-01-01T10:30:00Z"),
        says("assistant", "Bo has gone."),
        says("assistant", "Perhaps.", confidence=2),
        says("system", "A note."),
        says("assistant", "Perhaps not.", confidence=2),
        says("human", "Bo again."),
        says("user", "Thanks"),
        says("human", "You are welcome."),
    ]
    calm = [says("user", f"Question {place}") for place in range(10)]
    lines = [{"id": f"line {place}", "messages": talk if place % 3 else calm} for place in range(30)]
    # The button's text makes it a replay of its own, and changes nothing in it.
    settings = replays.home / f"{name}.json"
    settings.write_text(json.dumps({"ai": {"resumeOn": "HUMAN_REPLY"}, "widget": {"buttonText": name}}))
    return replays.file(f"{name}.jsonl", *lines), "--settings", settings


Whole = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def uninterrupted(replays: Replays) -> Whole:
    """The output and the messages of the long replay without interruption."""
    given, before, recorded = _long(replays, "uninterrupted"), len(replays.scratches), replays.recorded
    # Two concurrent runs, with the result of one.
    both = [replays.begin(*given, "--json") for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert printed[0] == printed[1]
    (scratch,) = replays.scratches[before:]
    transcript = replays.transcript(scratch)
    assert replays.recorded - recorded == len(transcript)
    return json.loads(printed[0]), transcript


def test_concurrent_runs_of_one_replay_are_recorded_once(uninterrupted: Whole) -> None:
    result, transcript = uninterrupted
    assert result["summary"]["escalated"] == 20
    assert result["summary"]["humanMessagesWithoutEscalation"] == 20
    assert len([item for item in transcript if item["role"] != "SYSTEM"]) == _TOLD


@pytest.mark.parametrize("signals", [(signal.SIGKILL, signal.SIGKILL), (signal.SIGTERM, signal.SIGINT)])
def test_interrupted_replay_continues_after_the_last_message(
    replays: Replays,
    uninterrupted: Whole,
    signals: tuple[signal.Signals, ...],
) -> None:
    given = _long(replays, f"stopped-by-{signals[0].name}")
    before = len(replays.scratches)
    for number in signals:
        code, err = replays.stop(given, number, _TOLD // 4)
        if number is signal.SIGKILL:
            assert code == -number
        else:
            assert code == 128 + number
            assert "of 30 conversations. Run the same command again to continue.\n" in err
        said = Counter(
            item["line"] for item in replays.transcript(replays.scratches[-1]) if item["role"] != "SYSTEM"
        )
        assert set(said.values()) - {10, 12}, "no conversation was cut off in its middle"

    result = replays.result(*given)
    (scratch,) = replays.scratches[before:]
    assert (result, replays.transcript(scratch)) == uninterrupted


def test_finished_replay_is_printed_from_its_records_unless_fresh(replays: Replays) -> None:
    before = replays.recorded, len(replays.scratches)
    code, out, err = replays.run(EXAMPLE, "--json")
    assert (code, json.loads(out), err) == (0, replays.example, "")
    assert (replays.recorded, len(replays.scratches)) == before
    assert replays.result(EXAMPLE, "--fresh") == replays.example
    anew = replays.transcript(replays.scratches[-1])
    assert (replays.recorded, len(replays.scratches)) == (before[0] + len(anew), before[1] + 1)
    assert len(anew) == 32 + 5  # all but a system line and a skipped human one, and the confirmations
