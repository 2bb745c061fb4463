"""Notification settings: defaults, changes, refusals, and the server's own settings."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rules.slack_format import DEFAULT_FORMAT, PLACEHOLDERS
from tests.support.baton_client import Caller, Server, wait_for
from tests.support.baton_process import run_baton
from tests.support.email_samples import read, text_of
from tests.support.notification_sinks import CHANGE, SAMPLE, Row, Team, at
from tests.support.seeded_workspace import fingerprint
from tests.support.sla_clocks import Process

DEFAULTS: Row = {
    "email": {
        "enabled": True,
        "connected": False,
        "recipients": [],
        "includeTranscript": True,
        "frequency": "IMMEDIATE",
    },
    "slack": {
        "enabled": True,
        "connected": False,
        "channel": None,
        "messageFormat": DEFAULT_FORMAT,
        "mentions": [],
    },
    "webhooks": [],
}
EVERYTHING: Row = {
    "email": {
        "enabled": False,
        "recipients": ["ann+baton@example.com", "o'hara@mail.example.org", "info@münchen.example"],
        "includeTranscript": False,
        "frequency": "HOURLY_DIGEST",
    },
    "slack": {
        "enabled": False,
        "channel": "C0123ABCD",
        "messageFormat": "".join(f"{{{name}}} " for name in PLACEHOLDERS) + "<!here> & <{link}|open> {",
        "mentions": ["U0123ABC", "S0123ABC", "here", "channel"],
    },
}


@pytest.fixture
def team(server: Server) -> Team:
    return Team.create(server)


def with_defaults(**changes: Row) -> Row:
    """Return the defaults with changes in their parts."""
    return {name: {**part, **changes.get(name, {})} if part else part for name, part in DEFAULTS.items()}


# ---- what is set


def test_new_ai_agent_has_the_defaults(team: Team) -> None:
    assert team.notifications == team.colleague().notifications == DEFAULTS


def test_given_settings_are_stored_unchanged(team: Team) -> None:
    assert team.told_by(**EVERYTHING) == with_defaults(**EVERYTHING)
    assert team.colleague().notifications == DEFAULTS, "an AI agent's own"


@pytest.mark.parametrize("given_null", [False, True], ids=["left out", "null"])
def test_omitted_setting_is_unchanged(team: Team, given_null: bool) -> None:
    team.told_by(**EVERYTHING)
    email: Row = dict.fromkeys(["recipients", "includeTranscript", "frequency"]) if given_null else {}
    slack: Row = dict.fromkeys(["enabled", "messageFormat"]) if given_null else {}
    changed = team.told_by(email={"enabled": True, **email}, slack={"mentions": [], **slack})
    assert changed == with_defaults(
        email=EVERYTHING["email"] | {"enabled": True}, slack=EVERYTHING["slack"] | {"mentions": []}
    )
    nothing: Row = dict.fromkeys(["email", "slack"]) if given_null else {}
    assert team.told_by(**nothing) == changed


def test_list_replaces_the_whole_list(team: Team) -> None:
    team.told_by(**EVERYTHING)
    changed = team.told_by(email={"recipients": ["bob@example.com"]}, slack={"mentions": ["W0123ABC"]})
    assert changed["email"]["recipients"] == ["bob@example.com"]
    assert changed["slack"]["mentions"] == ["W0123ABC"]
    assert team.told_by(email={"recipients": []})["email"]["recipients"] == []


def test_null_channel_is_removed_and_an_omitted_one_stays(team: Team) -> None:
    team.told_by(**EVERYTHING)
    assert team.told_by(slack={"mentions": []})["slack"]["channel"] == "C0123ABCD"
    changed = team.told_by(slack={"channel": None})["slack"]
    assert (changed["channel"], changed["messageFormat"]) == (None, EVERYTHING["slack"]["messageFormat"])
    assert team.told_by(slack={"channel": "#support"})["slack"]["channel"] == "#support"


def test_maximum_of_recipients_is_accepted(team: Team) -> None:
    fifty = [f"person{n}@example.com" for n in range(50)]
    twenty = [f"U0{n:04}" for n in range(20)]
    changed = team.told_by(
        email={"recipients": fifty}, slack={"mentions": twenty, "messageFormat": "x" * 2_000}
    )
    assert (changed["email"]["recipients"], changed["slack"]["mentions"]) == (fifty, twenty)


RECIPIENTS = [
    "",
    "ann",
    "ann@",
    "@example.com",
    "a@b.example, c@d.example",
    "a@b.example;c@d.example",
    "a@b.example c@d.example",
    "a@b@c.example",
    "Ann <ann@example.com>",
    "<ann@example.com>",
    '"Ann, a person"@example.com',
    "ann@example.com\r\nBcc: all@example.com",
    "ann@example.com\nX-Evil: 1",
    "ann\t@example.com",
    "ann\u200b@example.com",
    "\u202eann@example.com",
    "ann@[127.0.0.1]",
    "ann@127.0.0.1",
    "mailto:ann@example.com?bcc=all@example.com",
    "group:ann@example.com",
    f"{'a' * 65}@example.com",
    f"a@{'b' * 250}.example",
]
FORMATS = [
    "",
    " \n",
    "x" * 2_001,
    "{customer} {nonsense}",
    "{Customer}",
    "{customer.__class__}",
    "<{customer}|words>",
    "<!everyone>",
    "<https://example.com",
    "<javascript:alert(1)|x>",
]
MENTIONS = [
    "",
    "ann",
    "@ann",
    "<@U0123ABC>",
    "u0123abc",
    "everyone",
    "<!channel>",
    "U0123ABC U0456DEF",
    "C0123ABC",
]
CHANNELS = ["", "#", "Support", "#two words", "a,b", "https://slack.com", "x" * 81, "#<!channel>", "a\nb"]


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        *[("email.recipients", ["bob@example.com", value], ".1") for value in RECIPIENTS],
        ("email.recipients", ["ann@example.com", "bob@example.com", "Ann@Example.COM"], ""),
        # One address in two forms of Unicode.
        ("email.recipients", ["jose\u0301@example.com", "jos\u00e9@example.com"], ""),
        ("email.recipients", [f"person{n}@example.com" for n in range(51)], ""),
        *[("slack.messageFormat", value, "") for value in FORMATS],
        *[("slack.mentions", ["here", value], ".1") for value in MENTIONS],
        ("slack.mentions", ["here", "here"], ""),
        ("slack.mentions", [f"U0{n:04}" for n in range(21)], ""),
        *[("slack.channel", value, "") for value in CHANNELS],
    ],
)
def test_refused_setting_is_named_and_changes_nothing(
    place_of_all: Team, path: str, value: Any, place: str
) -> None:
    team = place_of_all
    part, name = path.split(".")
    # Other parts of the same request are not changed either.
    given: Row = {"email": {"includeTranscript": False}, "slack": {"enabled": False}}
    given[part][name] = value
    before = fingerprint(team.workspace)
    refused = team.key.refusal(CHANGE, input={"agentId": team.agent_id, "notifications": given})
    field = f"input.notifications.{path}{place}"
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", field)
    message = refused.errors[0]["message"]
    assert message.startswith(f"{field} ")
    assert message.isprintable(), "nothing of it acts on who reads it"
    assert fingerprint(team.workspace) == before


@pytest.fixture(scope="module")
def place_of_all(server: Server) -> Team:
    """One for all that is refused: nothing changes it."""
    return Team.create(server, "ann")


# ---- settings of the server


def test_sample_without_a_mail_server_states_what_is_missing(server: Server) -> None:
    team = Team.create(server, "ann")
    assert team.notifications["email"]["connected"] is False
    (sample,) = team.sample("EMAIL")
    (attempt,) = sample["attempts"]
    assert (attempt["succeeded"], sample["status"], sample["eventType"]) == (False, "PENDING", "test")
    assert "BATON_SMTP_URL" in attempt["response"]
    assert at(sample["nextAttemptAt"]) > at(attempt["attemptedAt"])
    team.told_by(email={"enabled": False})


PASSWORD = "pa55word-of-ours"


def test_impossible_mail_server_is_explained() -> None:
    url = f"smtp://ann:{PASSWORD}@mail.example.com?from=nobody"
    with tempfile.TemporaryDirectory(prefix="baton-no-mail-") as folder:
        answer = run_baton("serve", BATON_DATA_DIR=folder, BATON_PORT="0", BATON_SMTP_URL=url)
    written = " ".join((answer.stdout + answer.stderr).split())
    assert answer.returncode == 1
    assert "BATON_SMTP_URL: has a sender (?from=)" in written
    assert PASSWORD not in written
    assert "Traceback" not in written


def test_demo_keeps_its_mails_as_files() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-demo-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        demo = Process(home, "demo", "demo", BATON_PORT="0", BATON_LOG_LEVEL="info")
        try:
            port = demo.says(r'http://127\.0\.0\.1:(\d+)","event":"serve.ready')
            wait_for(lambda: (home / "demo.json").exists(), "the sample workspace")
            made = json.loads((home / "demo.json").read_text())
            key = Caller(f"http://127.0.0.1:{port}", made["api_key"])
            read_settings = """query($id: ID!) { escalationSettings(agentId: $id) {
                notifications { email { connected recipients } } } }"""
            settings = key.ask(read_settings, id=made["agent_id"])["escalationSettings"]
            email = settings["notifications"]["email"]
            assert email == {"connected": False, "recipients": ["team@example.com"]}
            given = {"id": made["agent_id"], "channel": "EMAIL"}
            fields = "id status attempts { response }"
            (sample,) = key.ask(SAMPLE % fields, **given)["sendTestNotification"]
            assert sample["status"] == "DELIVERED"
            assert sample["attempts"] == [{"response": f"kept as {sample['id']}.eml"}]
            message = read((home / "mail" / f"{sample['id']}.eml").read_bytes())
            assert message["To"] == "team@example.com"
            assert "This is a test" in text_of(message)
        finally:
            demo.end()
