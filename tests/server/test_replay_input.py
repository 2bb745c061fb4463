"""The two files of `baton replay`: refused and tolerated input."""

import json
from pathlib import Path
from typing import Any

import pytest

from rules.agent_settings import EscalationSettings
from server.replay.file import ConversationFile, ReplayFileError
from server.replay.settings import read_settings_file


def says(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


ASKING = says("user", "can I talk to a human please")


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ('{"autoEscalation": {"confidenceThreshold": 140}}', "autoEscalation.confidenceThreshold is refused"),
        ('{"autoEscalation": {"confidenceThreshold": "40"}}', "confidenceThreshold: Float cannot represent"),
        (
            '{"autoEscalation": {"confidence_threshold": 40}}',
            "autoEscalation.confidence_threshold is not a setting; "
            "autoEscalation has enabled, confidenceThreshold, delaySeconds",
        ),
        (
            '{"escalation": {}}',
            "escalation is not a setting; "
            "there are autoEscalation, triggers, ai, sla, notifications, widget, retention",
        ),
        (
            '{"triggers": {"topics": [{"name": "x", "keyword": "y"}]}}',
            "triggers.topics.0.keyword is not a setting; "
            "triggers.topics.0 has name, keywords, intents, priority",
        ),
        ('{"autoEscalation": {"enabled": 1}}', "autoEscalation.enabled: Boolean cannot represent"),
        (
            '{"autoEscalation": [40]}',
            "autoEscalation is not an object; its settings are enabled, confidenceThreshold, delaySeconds",
        ),
        (
            '{"triggers": {"toolFailureLimit": 2.5}}',
            "triggers.toolFailureLimit: Int cannot represent non-integer value",
        ),
        (
            '{"triggers": {"toolFailureLimit": true}}',
            "triggers.toolFailureLimit: Int cannot represent non-integer value",
        ),
        (
            '{"triggers": {"topics": [{"keywords": ["x"]}]}}',
            "triggers.topics.0.name is missing",
        ),
        ('{"triggers": {"extraPhrases": {}}}', "triggers.extraPhrases: String cannot represent"),
        ('{"triggers": {"extraPhrases": ["ok", 3]}}', "triggers.extraPhrases.1: String cannot represent"),
        ('{"ai": {"resumeOn": "NEVER"}}', "ai.resumeOn is none of RESOLUTION, HUMAN_REPLY, MANUAL"),
        ('{"ai": {"resumeOn": ["MANUAL"]}}', "ai.resumeOn is none of RESOLUTION, HUMAN_REPLY, MANUAL"),
        ('{"agentId": "agt_x"}', "agentId is not a setting"),
        ('{"expectedVersion": 1}', "expectedVersion is not a setting"),
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


def test_null_or_omitted_setting_is_unchanged(tmp_path: Path) -> None:
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
        (
            _conversation(customer={"email": "Jane <jane@example.com>"}),
            "customer.email holds more than the address",
        ),
        (_conversation(customer={"externalId": "7" * 201}), "customer.externalId has 201 characters"),
        (_conversation("hello"), "message 1 is not a JSON object"),
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
        (_conversation(says("user", "hi", intents=["a"] * 51)), "message 1: intents has 51 entries; at most"),
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
def test_malformed_line_is_refused_with_its_number(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "some.jsonl"
    encoding = "latin-1" if "\xff" in line else "utf-8"
    path.write_bytes(b'{"id": "ok", "messages": []}\n\n' + line.encode(encoding) + b"\n")
    with ConversationFile.opened(path) as file, pytest.raises(ReplayFileError) as refused:
        file.check()
    assert str(refused.value).startswith("some.jsonl, line 3: ")
    assert fault in str(refused.value)


def test_file_with_byte_order_mark_and_blank_lines_is_accepted(tmp_path: Path) -> None:
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


def test_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "grows.jsonl"
    path.write_text(_conversation(ASKING) + "\n")
    with ConversationFile.opened(path) as file:
        contents = file.check()
        path.write_text(_conversation(says("user", "Something else")) + "\n")
        with pytest.raises(ReplayFileError, match="was changed while it was replayed"):
            list(file.lines(contents))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    for path, fault in (
        (tmp_path, "is not an ordinary file"),
        (tmp_path / "no", "cannot be read: No such file"),
    ):
        with pytest.raises(ReplayFileError, match=fault), ConversationFile.opened(path):
            pass
    with pytest.raises(ReplayFileError, match=r"cannot be read: No such file"):
        read_settings_file(tmp_path / "no", EscalationSettings())
