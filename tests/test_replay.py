"""`baton replay`, as a team runs it on its own history."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from baton_client import BATON, Server, Workspace, wait_for

from resolvers.context import House
from rules.settings import EscalationSettings
from server.embedded import embedded_postgres
from server.replay_file import ConversationFile, ReplayFileError
from server.replay_settings import read_settings_file

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/conversations.jsonl"


class Replays:
    """A team's own data folder, where its replays run."""

    def __init__(self, home: Path, database: Server) -> None:
        self.home = home
        self.database = database

    def file(self, name: str, *conversations: Any) -> Path:
        """A file of these conversations; a string is a line as it stands."""
        lines = [one if isinstance(one, str) else json.dumps(one) for one in conversations]
        path = self.home / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def begin(self, *arguments: object, **pipes: Any) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("BATON_")}
        environment = inherited | {"BATON_DATA_DIR": str(self.database.data_dir)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | pipes
        return subprocess.Popen([BATON, "replay", *map(str, arguments)], env=environment, text=True, **pipes)

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Its exit code, and what it said on standard output and on standard error."""
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def result(self, *arguments: object) -> dict[str, Any]:
        """What it prints as JSON."""
        code, out, err = self.run(*arguments, "--json")
        assert code == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.database.rows(query, *values)

    @property
    def scratches(self) -> list[Any]:
        """The scratch workspaces, oldest first."""
        return [row["id"] for row in self.rows("SELECT id FROM workspaces WHERE scratch ORDER BY created_at")]

    @property
    def recorded(self) -> int:
        """How many messages have been recorded, in all replays."""
        return int(self.rows("SELECT count(*) AS n FROM messages")[0]["n"])

    def transcript(self, workspace: Any) -> list[dict[str, Any]]:
        """All that was said in a workspace, without ids and without times that are not recorded ones."""
        return self.rows(
            """SELECT c.metadata->'replay'->>'id' AS line, c.ai_epoch, c.uncertain_replies, m.position, m.role,
                      m.status, m.content, m.confidence, m.intents, m.metadata,
                      CASE WHEN (c.metadata->'replay'->>'timed')::boolean THEN m.created_at END AS at
               FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
               WHERE c.workspace_id = $1 ORDER BY 1, m.position""",
            workspace,
        )


@pytest.fixture(scope="module")
def replays() -> Iterator[Replays]:
    with tempfile.TemporaryDirectory(prefix="baton-replays-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        data_dir = home / "data"
        with embedded_postgres(data_dir) as urls:
            replays = Replays(home, Server(data_dir, urls.owner_url, urls.service_url))
            assert replays.run(replays.file("empty.jsonl"))[0] == 0  # which makes the tables
            yield replays


def says(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ASKING = says("user", "can I talk to a human please")


# ---- what it tells


def test_the_example_shows_what_would_have_been_escalated_when_and_why(replays: Replays) -> None:
    found = replays.result(EXAMPLE)
    rows = {one.pop("conversationId"): one for one in found["escalations"]}
    assert list(rows) == [
        "asks-for-a-person-2",
        "unsure-3",
        "asks-twice-4",
        "person-answers-5",
        "without-times-10",
    ]
    assert rows["asks-for-a-person-2"] == {
        "line": 2,
        "message": 3,
        "content": "can I talk to a human please",
        "at": "2026-03-02T09:16:00.000000Z",
        "trigger": "PHRASE",
        "reason": "user_phrase",
        "detail": "can I talk to a human",
        "confidence": None,
        "priority": "MEDIUM",
        "foldedTriggers": 0,
        "heldReplies": 2,
    }
    unsure = rows["unsure-3"]
    assert (unsure["trigger"], unsure["reason"], unsure["confidence"]) == (
        "LOW_CONFIDENCE",
        "low_confidence",
        31.5,
    )
    assert (rows["asks-twice-4"]["message"], rows["asks-twice-4"]["foldedTriggers"]) == (1, 2)
    assert (rows["without-times-10"]["message"], rows["without-times-10"]["at"]) == (3, None)
    assert found["summary"] == {
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


def test_tables_for_people_and_a_bar_on_a_terminal_alone(replays: Replays) -> None:
    path = replays.file("table.jsonl", {"id": "a\x1b[31mb", "messages": [ASKING]})
    code, out, err = replays.run(path)
    assert code == 0
    row = next(line for line in out.splitlines() if "user_phrase" in line)
    assert "a\N{REPLACEMENT CHARACTER}[31mb" in row  # nothing in a file steers the terminal
    assert [word for word in ("PHRASE", "MEDIUM", "can I talk to a") if word not in row] == []
    assert "\x1b" not in out + err
    assert "conversations" not in err

    near, far = pty.openpty()
    process = replays.begin(path, "--fresh", stderr=far)
    out, _ = process.communicate(timeout=60)
    os.close(far)
    said = os.read(near, 100_000).decode()
    os.close(near)
    assert process.returncode == 0
    assert "1/1" in said
    assert "conversations" in said
    assert "\x1b" not in out


def test_the_readme_of_replays_shows_settings_that_work(replays: Replays) -> None:
    text = (ROOT / "docs/replay.md").read_text()
    path = replays.home / "documented.json"
    path.write_text(text.split("```json\n")[1].split("```")[0])
    found = replays.result(EXAMPLE, "--settings", path)
    rows = {one["conversationId"]: one for one in found["escalations"]}
    assert (rows["refund-8"]["trigger"], rows["refund-8"]["detail"]) == ("TOPIC", "refunds")
    assert (rows["cancels-9"]["detail"], rows["cancels-9"]["priority"]) == ("leaving", "HIGH")
    assert rows["cancels-9"]["heldReplies"] == 1


def test_everything_is_written_on_the_recorded_clock(replays: Replays) -> None:
    at = [f"2019-05-04T23:5{minute}:00+02:00" for minute in range(5)]
    talk = [
        says("assistant", "Perhaps.", confidence=3),  # without a time: that of the first there is
        says("user", "agent please", at=at[1]),
        says("assistant", "Held."),  # without a time: that of the message before
        says("human", "Bo here.", at=at[3]),
        says("user", "Thanks", at=at[4]),
    ]
    found = replays.result(replays.file("clock.jsonl", {"id": "clock", "messages": talk}))
    assert found["escalations"][0]["at"] == "2019-05-04T21:51:00.000000Z"
    scratch = replays.scratches[-1]
    times = [datetime(2019, 5, 4, 21, minute, tzinfo=UTC) for minute in (51, 53, 54)]
    said = replays.rows(
        """SELECT m.role, m.created_at FROM messages m JOIN conversations c ON c.id = m.conversation_id
           WHERE c.workspace_id = $1 ORDER BY m.position""",
        scratch,
    )
    assert [(one["role"], one["created_at"]) for one in said] == [
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
    text = " ".join(one["rows"] for one in written)
    assert text.count("2019-05-04") > 20
    assert str(datetime.now(UTC).year) not in text.replace("2019-05-04", "")


def test_after_a_human_reply_hands_back_the_ai_speaks_with_the_new_epoch(replays: Replays) -> None:
    talk = [
        says("human", "Nobody asked yet."),
        ASKING,
        says("assistant", "Held."),
        says("human", "Bo here, the AI goes on."),
        says("assistant", "Here I am again."),
        says("assistant", "Not sure.", confidence=1),
        says("assistant", "More of the same."),
        says("human", "Bo once more."),
    ]
    path = replays.file("back.jsonl", {"id": "back", "messages": talk})
    settings = replays.home / "back.json"
    settings.write_text('{"ai": {"resumeOn": "HUMAN_REPLY"}}')
    found = replays.result(path, "--settings", settings)
    (row,) = found["escalations"]
    assert (row["message"], row["foldedTriggers"], row["heldReplies"]) == (2, 1, 2)
    assert found["summary"]["humanMessagesWithoutEscalation"] == 1
    said = {row["content"]: row["status"] for row in replays.transcript(replays.scratches[-1])}
    assert (said["Held."], said["More of the same."]) == ("DISCARDED", "DISCARDED")
    assert said["Here I am again."] == said["Not sure."] == "DELIVERED"
    assert "Nobody asked yet." not in said


# ---- settings


def test_settings_of_a_file_and_of_an_agent(server: Server, workspace: Workspace) -> None:
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

        def escalated(*arguments: object) -> list[str]:
            return [one["conversationId"] for one in replays.result(file, *arguments)["escalations"]]

        assert escalated() == ["a"]
        assert escalated("--settings", tried) == []
        assert escalated("--agent", workspace.agent_id) == ["a", "b"]
        assert escalated("--agent", workspace.agent_id, "--settings", tried) == ["b"]

        # Nobody is told: the agent's own workspace has nothing of it, not even in its log.
        assert workspace.key.ask("{ escalations { cursor } }") == cursor
        assert workspace.key.ask("{ conversations { nodes { id } } }")["conversations"]["nodes"] == []
        assert len(replays.scratches) == 4
        told = server.rows("SELECT scratch FROM workspaces WHERE name LIKE 'replay %'")
        assert all(row["scratch"] for row in told)
        unknown = workspace.agent_id[:-4] + "0000"
        assert replays.run(file, "--agent", unknown) == (1, "", "There is no such AI agent.\n")
        assert replays.run(file, "--agent", workspace.id)[0] == 1
        assert len(replays.scratches) == 4


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ('{"autoEscalation": {"confidenceThreshold": 140}}', "autoEscalation.confidenceThreshold is refused"),
        ('{"autoEscalation": {"confidenceThreshold": "40"}}', "autoEscalation.confidenceThreshold is not a"),
        ('{"autoEscalation": {"confidence_threshold": 40}}', "autoEscalation.confidence_threshold is not kn"),
        ('{"autoEscalation": {"enabled": 1}}', "autoEscalation.enabled is not true or false"),
        ('{"autoEscalation": [40]}', "autoEscalation is not a JSON object"),
        ('{"triggers": {"toolFailureLimit": 2.5}}', "triggers.toolFailureLimit is not a whole number"),
        ('{"triggers": {"toolFailureLimit": true}}', "triggers.toolFailureLimit is not a whole number"),
        ('{"triggers": {"topics": [{"keywords": ["x"]}]}}', "triggers.topics.0.name is missing"),
        ('{"triggers": {"extraPhrases": "help"}}', "triggers.extraPhrases is not a list"),
        ('{"triggers": {"extraPhrases": ["ok", 3]}}', "triggers.extraPhrases.1 is not a string"),
        ('{"ai": {"resumeOn": "NEVER"}}', "ai.resumeOn is not one of RESOLUTION, HUMAN_REPLY, MANUAL"),
        ('{"ai": {"resumeOn": ["MANUAL"]}}', "ai.resumeOn is not one of"),
        ('{"agentId": "agt_x"}', "agentId is not known here"),
        ('{"expectedVersion": 1}', "expectedVersion is not known here"),
        ("[]", "the document is not a JSON object"),
        ("{", "is not JSON in UTF-8"),
    ],
)
def test_settings_are_refused_with_the_field(tmp_path: Path, document: str, fault: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(document)
    with pytest.raises(ReplayFileError, match=r"^settings\.json:? ") as refused:
        read_settings_file(path, EscalationSettings())
    assert fault in str(refused.value)


def test_what_is_null_or_left_out_of_the_settings_stays(tmp_path: Path) -> None:
    base = read_settings_file(
        _written(tmp_path, '{"triggers": {"extraPhrases": ["a"]}}'), EscalationSettings()
    )
    document = '{"triggers": {"toolFailureLimit": 5, "extraPhrases": null}, "sla": null, "ai": {}}'
    changed = read_settings_file(_written(tmp_path, document), base)
    assert (changed.triggers.extra_phrases, changed.triggers.tool_failure_limit) == (["a"], 5)
    assert (changed.sla, changed.ai) == (base.sla, base.ai)


def _written(folder: Path, text: str) -> Path:
    path = folder / "settings.json"
    path.write_text(text)
    return path


# ---- what is refused


def _conversation(*messages: Any, **more: Any) -> str:
    return json.dumps({"id": "x", "messages": list(messages), **more})


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "is not JSON in UTF-8"),
        ('{"id": "\xff"}', "is not JSON in UTF-8"),
        ("[]", "is not a JSON object"),
        ('{"messages": []}', "id is missing"),
        ('{"id": "x"}', "messages is missing"),
        ('{"id": 7, "messages": []}', "id is not a string"),
        ('{"id": " ", "messages": []}', "id is empty"),
        ('{"id": "x", "messages": {}}', "messages is not a list"),
        ('{"id": "ok", "messages": []}', "id is that of line 1 already"),
        (_conversation(colour="red"), "colour is not known here"),
        (_conversation(customer={"external_id": "7"}), "customer.external_id is not known here"),
        (_conversation(customer={"email": "Jane <jane@example.com>"}), "customer.email is not one plain"),
        (_conversation(customer={"externalId": "7" * 201}), "customer.externalId has 201 characters"),
        (_conversation("hello"), "message 1: is not a JSON object"),
        (_conversation(ASKING, says("bot", "hi")), "message 2: role is not user, assistant, human or system"),
        (_conversation(ASKING, says("user", "")), "message 2: content is empty"),
        (_conversation(says("user", "a" * 20_001)), "message 1: content has 20,001 characters"),
        (_conversation(says("user", "a\0b")), "message 1: content holds a NUL"),
        (_conversation({"role": "user"}), "message 1: content is missing"),
        (_conversation(says("user", "hi", confidense=3)), "message 1: confidense is not known here"),
        (
            _conversation(says("assistant", "hi", confidence=101)),
            "message 1: confidence is not between 0 and",
        ),
        (_conversation(says("assistant", "hi", confidence="9")), "message 1: confidence is not a number"),
        (_conversation(says("assistant", "hi", confidence=True)), "message 1: confidence is not a number"),
        (_conversation(says("user", "hi", confidence=50)), "message 1: confidence is for the role assistant"),
        (_conversation(says("human", "hi", intents=["a"])), "message 1: intents are for the roles"),
        (_conversation(says("user", "hi", intents=["a"] * 51)), "message 1: intents names more than 50"),
        (
            _conversation(says("user", "hi", at="2026-01-01T10:00:00")),
            "message 1: at is not an ISO 8601 time",
        ),
        (_conversation(says("user", "hi", at=1767261600)), "message 1: at is not a string"),
        (_conversation(says("user", "hi", at="0001-01-01T00:00:00+14:00")), "message 1: at is not"),
        (_conversation(says("user", "hi", at="9999-01-01T00:00:00Z")), "message 1: at is not in the years"),
        (
            _conversation(
                says("user", "hi", at="2026-01-01T10:00:00Z"),
                says("user", "hi"),
                says("user", "hi", at="2026-01-01T10:59:59+01:00"),
            ),
            "message 3: at is before the time of the message before it",
        ),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "some.jsonl"
    encoding = "latin-1" if "\xff" in line else "utf-8"
    path.write_bytes(b'{"id": "ok", "messages": []}\n\n' + line.encode(encoding) + b"\n")
    with ConversationFile.opened(path) as file, pytest.raises(ReplayFileError) as refused:
        file.check()
    assert str(refused.value).startswith("some.jsonl, line 3: ")
    assert fault in str(refused.value)


def test_a_fault_at_the_end_is_found_before_anything_is_recorded(replays: Replays) -> None:
    before = replays.recorded, len(replays.scratches)
    path = replays.file("faulty.jsonl", {"id": "good", "messages": [ASKING]}, '{"id": "bad"}')
    code, out, err = replays.run(path)
    assert (code, out, err) == (1, "", "faulty.jsonl, line 2: messages is missing.\n")
    settings = replays.home / "faulty.json"
    settings.write_text('{"autoEscalation": {"delay": 3}}')
    code, out, err = replays.run(EXAMPLE, "--settings", settings)
    assert (code, out) == (1, "")
    assert "autoEscalation.delay is not known here" in err.replace("\n", " ")
    assert replays.run(replays.home / "nowhere.jsonl")[0] == 1
    assert (replays.recorded, len(replays.scratches)) == before


def test_what_editors_and_exports_leave_in_a_file_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    lines = [
        '{"id": "a", "customer": null, "messages": []}',
        "",
        "  ",
        _conversation(says("system", "s" * 30_000)),
    ]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    with ConversationFile.opened(path) as file:
        contents = file.check()
        assert (contents.conversations, contents.messages) == (2, {"system": 1})
        assert [line.number for line in file.lines(contents)] == [1, 4]


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "grows.jsonl"
    path.write_text(_conversation(ASKING) + "\n")
    with ConversationFile.opened(path) as file:
        contents = file.check()
        path.write_text(_conversation(says("user", "Something else")) + "\n")
        with pytest.raises(ReplayFileError, match="was changed while it was replayed"):
            list(file.lines(contents))
