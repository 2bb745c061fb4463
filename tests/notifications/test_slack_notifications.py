"""Slack: connecting a bot, what it posts, and what becomes of messages that Slack does not take."""

import re
import secrets
from itertools import count
from typing import Any

import orjson
import pytest

from tests.support.baton_client import Server
from tests.support.callers import everything_kept
from tests.support.notification_sinks import CONNECT, DISCONNECT, Outside, Row, Team, at, events_of
from tests.support.seeded_workspace import fingerprint
from tests.support.server_log import written_log
from tests.support.sla_clocks import QUICK, Clock
from tests.support.slack_samples import spelled
from tests.support.slack_server import SlackStandIn

CONTROL = re.compile("<[^>]*>")
CONNECTIONS = "SELECT * FROM slack_connections ORDER BY agent_id"
_TOKENS = (f"xoxb-{n}-a-secret-of-Slack" for n in count(1))


@pytest.fixture
def server(outside: Outside) -> Server:
    return outside.server


@pytest.fixture(autouse=True)
def slack(outside: Outside) -> SlackStandIn:
    """As new: no calls, and all goes well."""
    outside.slack.forget()
    return outside.slack


@pytest.fixture
def team(server: Server) -> Team:
    """A team without a bot."""
    return Team.create(server)


@pytest.fixture
def connected(team: Team, slack: SlackStandIn) -> Team:
    """A team with a bot and a channel."""
    team.connect(next(_TOKENS))
    slack.calls.clear()
    return team


def texts_of(message: Row) -> list[str]:
    """Every text of a message, blocks included."""
    result = [message["text"]]
    for block in message["blocks"]:
        if block["type"] == "rich_text":
            result.append(spelled(block))
        else:
            result += [item["text"] for item in (block.get("text"), *block.get("elements", ())) if item]
    return result


# ---- connecting


def test_connecting_asks_slack_once_and_keeps_the_token_to_itself(
    team: Team, outside: Outside, slack: SlackStandIn
) -> None:
    token = next(_TOKENS)
    before = team.notifications["slack"]
    assert before["connected"] is False
    answer = team.key.post(CONNECT, {"id": team.agent_id, "token": token})
    settings = answer["data"]["connectSlack"]["settings"]
    assert settings["notifications"]["slack"] == team.notifications["slack"] == before | {"connected": True}
    assert [(call.method, call.token) for call in slack.calls] == [("auth.test", token)]
    (row,) = team.server.rows("SELECT * FROM slack_connections WHERE agent_id = $1", team.key_of_agent)
    assert row["team_name"] == "Acme"
    team.told_by(slack={"channel": team.channel})
    slack.will("internal_error")
    team.escalate()
    waiting = team.tried()
    team.bring(waiting)
    (delivery,) = team.ended()
    assert [call.token for call in slack.calls] == [token] * 3
    # Neither answers nor rows nor logs have it.
    assert token not in str([answer, waiting, delivery, team.notifications])
    assert token not in everything_kept(team.server)
    assert token not in written_log(outside.server)


def test_another_token_takes_the_place_of_the_first(connected: Team, slack: SlackStandIn) -> None:
    second = next(_TOKENS)
    connected.connect(second)
    connected.escalate()
    connected.ended()
    assert [(call.method, call.token) for call in slack.calls] == [
        ("auth.test", second),
        ("chat.postMessage", second),
    ]


# That says nothing about the token.
AWAY = "Slack could not be asked"
REFUSALS = {
    "another's": ("xoxb-unknown", ["invalid_auth"], "does not know this token", 1),
    "ended": ("xoxb-old", ["token_revoked"], "revoked", 1),
    "a person's": ("xoxp-1-2", [], "user's token", 0),
    "nothing": ("", [], "bot's token", 0),
    "two lines": ("xoxb-1\nxoxb-2", [], "white space", 0),
    "Slack is away": ("xoxb-1", ["reset"], AWAY, 1),
    "Slack has trouble": ("xoxb-1", ["status"], AWAY, 1),
    "Slack has enough": ("xoxb-1", ["ratelimited"], AWAY, 1),
}


@pytest.mark.parametrize("had_one", [False, True], ids=["the first", "another"])
@pytest.mark.parametrize("case", REFUSALS)
def test_unproven_token_is_not_stored(team: Team, slack: SlackStandIn, case: str, had_one: bool) -> None:
    token, ways, words, calls = REFUSALS[case]
    if had_one:
        team.connect(next(_TOKENS))
    before, rows = fingerprint(team.workspace), team.server.rows(CONNECTIONS)
    slack.forget()
    slack.will(*ways)
    refused = team.key.refusal(CONNECT, id=team.agent_id, token=token)
    message = refused.errors[0]["message"]
    assert words in message
    if words == AWAY:
        assert (refused.code, refused.field) == ("CONFLICT", None)
    else:
        assert (refused.code, refused.field) == ("BAD_USER_INPUT", "botToken")
        assert message.startswith("botToken ")
    assert not token or token not in str(refused.errors)
    assert len(slack.calls) == calls
    assert (fingerprint(team.workspace), team.server.rows(CONNECTIONS)) == (before, rows)
    assert team.notifications["slack"]["connected"] is had_one


def test_bot_without_write_permission_is_refused(team: Team, slack: SlackStandIn) -> None:
    slack.scopes = "channels:read"
    refused = team.key.refusal(CONNECT, id=team.agent_id, token=next(_TOKENS))
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "botToken")
    assert "chat:write" in refused.errors[0]["message"]
    assert team.notifications["slack"]["connected"] is False


def test_agent_of_another_workspace_sends_no_request_to_slack(
    team: Team, server: Server, slack: SlackStandIn
) -> None:
    foreign = Team.create(server)
    rows = server.rows(CONNECTIONS)
    for caller in (team.key, team.workspace.sign_in()):
        assert caller.refusal(CONNECT, id=foreign.agent_id, token=next(_TOKENS)).code == "NOT_FOUND"
        assert caller.refusal(DISCONNECT, id=foreign.agent_id).code == "NOT_FOUND"
    assert (slack.calls, server.rows(CONNECTIONS)) == ([], rows)


# ---- what is posted


def test_team_is_notified_in_its_channel_in_its_format(connected: Team, outside: Outside) -> None:
    connected.told_by(
        slack={
            "channel": connected.channel.removeprefix("#"),
            "messageFormat": "*{customer}* says: {message}\n{reason}, {priority} {agent}\n<{link}|answer>",
            "mentions": ["U0123ABC", "here"],
        }
    )
    key = connected.key
    conversation = key.start(connected.agent_id, customer={"name": "Jane"})["conversation"]["id"]
    key.record(conversation, "USER", "My parcel\nis lost")
    escalation = key.escalate(conversation, "a VIP")["escalation"]["id"]
    (delivery,) = connected.ended()
    (message,) = outside.messages_in(connected.channel)
    link = f"{outside.server.url}/app/escalations/{escalation}"
    assert f"*Jane* says: My parcel is lost\na VIP, Medium An AI agent\n[{link}|answer]" in texts_of(message)
    assert "<@U0123ABC> <!here>" in texts_of(message)
    assert f"<{link}|Open the escalation>" in texts_of(message)
    assert message["metadata"]["event_payload"] == {
        "delivery_id": delivery["id"],
        "escalation_id": escalation,
    }
    assert (delivery["target"], delivery["status"]) == (connected.channel, "DELIVERED")
    assert [attempt["response"] for attempt in delivery["attempts"]] == ["ok"]


def test_slack_gets_four_events_and_no_others(connected: Team, outside: Outside) -> None:
    connected.key.settings(connected.agent_id, sla=QUICK)
    clock = Clock.begin(connected.workspace)
    connected.when(lambda all_: events_of(all_) == ["created", "sla_at_risk"], "the clock at risk")
    assert {item["status"] for item in connected.ended()} == {"DELIVERED"}
    connected.update(clock.id, note="a note", priority="LOW", assignTo=connected.workspace.email)
    clock.reply()
    connected.key.resolve(clock.id)
    connected.reopen(clock.id)
    assert events_of(connected.ended()) == ["created", "sla_at_risk", "reopened"]
    headers = [item["blocks"][0]["text"]["text"] for item in outside.messages_in(connected.channel)]
    assert [header.partition(":")[0] for header in headers] == [
        "New escalation",
        "First reply at risk",
        "Escalation reopened",
    ]


HOSTILE = "<!channel> <@U0123ABC> @here <https://evil.example|Open the escalation> &lt;!everyone&gt; *x* `y`"


def test_customer_text_mentions_nobody(connected: Team, outside: Outside) -> None:
    connected.told_by(
        slack={"messageFormat": "{customer} {message} {reason} {detail}", "mentions": ["S0123GROUP"]}
    )
    key = connected.key
    conversation = key.start(connected.agent_id, customer={"name": HOSTILE})["conversation"]["id"]
    key.record(conversation, "USER", HOSTILE)
    escalation = key.escalate(conversation, HOSTILE)["escalation"]["id"]
    connected.ended()
    (message,) = outside.messages_in(connected.channel)
    result = [item for part in mrkdwn_of(message) for item in CONTROL.findall(part["text"])]
    link = f"{outside.server.url}/app/escalations/{escalation}"
    assert [item for item in result if not item.startswith("<!date^")] == [
        "<!subteam^S0123GROUP>",
        f"<{link}|Open the escalation>",
    ]
    # Their characters arrive: as text elements, and escaped in the text of the notification.
    [body] = [block for block in message["blocks"] if block["type"] == "rich_text"]
    assert {element["type"] for part in body["elements"] for element in part["elements"]} == {"text"}
    assert "<!channel> <@U0123ABC>" in spelled(body)
    assert "&lt;!channel&gt; &lt;@U0123ABC&gt;" in message["text"]
    assert message["mrkdwn"] is False
    assert (message["parse"], message["link_names"]) == ("none", False)
    assert all(item["verbatim"] for item in mrkdwn_of(message))


def mrkdwn_of(message: Row) -> list[Row]:
    result = [
        item
        for block in message["blocks"]
        for item in (block.get("text"), *block.get("elements", ()))
        if item
    ]
    return [item for item in result if item["type"] == "mrkdwn"]


# ---- what Slack does not take


def test_rate_limited_message_waits_and_arrives_once(
    connected: Team, outside: Outside, slack: SlackStandIn
) -> None:
    slack.will("ratelimited")
    connected.escalate()
    first = connected.tried()
    (attempt,) = first["attempts"]
    assert (attempt["succeeded"], attempt["response"], first["status"]) == (False, "ratelimited", "PENDING")
    wait = (at(first["nextAttemptAt"]) - at(attempt["attemptedAt"])).total_seconds()
    assert 30 <= wait < 35
    connected.escalate()
    connected.catch_up()
    (target,) = connected.server.rows(
        "SELECT * FROM delivery_targets WHERE id = $1", connected.row(first)["target_id"]
    )
    assert target["next_job_at"] >= at(first["nextAttemptAt"]), "nobody else is sent there meanwhile"
    connected.bring(first)
    assert [len(item["attempts"]) for item in connected.ended()] == [2, 1]
    assert len(outside.messages_in(connected.channel)) == 3
    posted = [orjson.dumps(item) for item in outside.messages_in(connected.channel)]
    assert sorted(map(posted.count, set(posted))) == [1, 2], "the same again, and the other one"


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel"])
def test_error_of_slack_is_shown(connected: Team, slack: SlackStandIn, error: str) -> None:
    if error == "not_in_channel":
        slack.outside = {connected.channel}
    else:
        slack.channels = {"#general"}
    (sample,) = connected.sample("SLACK")
    assert (sample["target"], sample["eventType"], sample["status"]) == (connected.channel, "test", "FAILED")
    assert [(item["succeeded"], item["response"]) for item in sample["attempts"]] == [(False, error)]
    assert connected.deliveries(channel="SLACK", status="FAILED") == [sample]
    # The bot is repaired.
    slack.forget()
    connected.retry(sample)
    (mended,) = connected.ended()
    assert [attempt["response"] for attempt in mended["attempts"]] == [error, "ok"]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("is_archived", "The channel is archived: choose another one, or restore it in Slack."),
        (
            "token_revoked",
            "In the settings, disconnect Slack and connect it again: "
            "this token was revoked; install the app again and copy its new token.",
        ),
    ],
)
def test_refusal_of_slack_says_what_to_do(
    outside: Outside, connected: Team, slack: SlackStandIn, error: str, advice: str
) -> None:
    slack.will(error)
    connected.escalate()
    (failed,) = connected.ended(channel="SLACK")
    assert (failed["status"], failed["note"]) == (
        "FAILED",
        f"Another attempt cannot succeed: {error}. {advice}",
    )
    (alert,) = outside.mails(connected.workspace.email, 1)
    assert f"What to do: 1. {advice} 2. Send a test notification." in " ".join(alert.text().split())


def test_disconnected_bot_sends_nothing_more(connected: Team, slack: SlackStandIn) -> None:
    slack.will("internal_error")
    connected.escalate()
    waiting = connected.tried()
    answer = connected.key.ask(DISCONNECT, id=connected.agent_id)["disconnectSlack"]["settings"]
    assert answer["notifications"]["slack"]["connected"] is False
    assert (
        connected.server.rows("SELECT 1 FROM slack_connections WHERE agent_id = $1", connected.key_of_agent)
        == []
    )
    again = connected.key.ask(DISCONNECT, id=connected.agent_id)["disconnectSlack"]["settings"]
    assert again == answer
    connected.bring(waiting)
    (dropped,) = connected.ended()
    assert (dropped["status"], len(dropped["attempts"])) == ("DROPPED", 1)
    assert "Slack is not connected" in dropped["note"]
    connected.escalate()
    assert connected.ended() == [dropped], "and nothing new"
    assert [call.method for call in slack.calls] == ["chat.postMessage"]


@pytest.mark.parametrize("change", [{"channel": "#elsewhere"}, {"enabled": False}], ids=["moved", "off"])
def test_waiting_message_to_a_former_channel_is_dropped(
    connected: Team, outside: Outside, slack: SlackStandIn, change: dict[str, Any]
) -> None:
    slack.will("internal_error")
    connected.escalate()
    waiting = connected.tried()
    connected.told_by(slack=change)
    connected.bring(waiting)
    (dropped,) = connected.ended()
    assert (dropped["status"], dropped["nextAttemptAt"]) == ("DROPPED", None)
    assert "channel" in dropped["note"] if "channel" in change else "switched off" in dropped["note"]
    assert len(slack.calls) == 1
    assert len(outside.messages_in(connected.channel)) == 1


def test_channel_with_and_without_its_sign_is_the_same(connected: Team, slack: SlackStandIn) -> None:
    slack.will("internal_error")
    connected.escalate()
    waiting = connected.tried()
    connected.told_by(slack={"channel": connected.channel.removeprefix("#")})
    connected.bring(waiting)
    assert [item["status"] for item in connected.ended()] == ["DELIVERED"]


# ---- samples


def test_sample_is_posted_and_marked_as_one(connected: Team, outside: Outside) -> None:
    (sample,) = connected.sample("SLACK")
    assert (sample["status"], sample["escalation"]) == ("DELIVERED", None)
    (message,) = outside.messages_in(connected.channel)
    assert any("This is a test" in text for text in texts_of(message))


@pytest.mark.parametrize("missing", ["the bot", "the channel", "all of it", "the switch"])
def test_sample_without_slack_is_refused(team: Team, slack: SlackStandIn, missing: str) -> None:
    if missing in ("the channel", "the switch"):
        team.key.ask(CONNECT, id=team.agent_id, token=next(_TOKENS))
    if missing in ("the bot", "the switch"):
        team.told_by(slack={"channel": team.channel, "enabled": missing != "the switch"})
    slack.forget()
    query = "mutation($id: ID!) { sendTestNotification(agentId: $id, channel: SLACK) { id } }"
    refused = team.key.refusal(query, id=team.agent_id)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "channel")
    team.escalate()
    assert team.ended() == []
    assert slack.calls == []


# ---- secrets


def test_attempt_with_another_secret_key_states_the_reason(
    connected: Team, outside: Outside, slack: SlackStandIn
) -> None:
    with outside.served(BATON_SECRET_KEY=secrets.token_hex(32)):
        connected.escalate()
        waiting = connected.tried()
        (attempt,) = waiting["attempts"]
        assert (attempt["succeeded"], waiting["status"]) == (False, "PENDING")
        assert "BATON_SECRET_KEY" in attempt["response"]
        assert slack.calls == []
    connected.retry(waiting)
    assert [item["status"] for item in connected.ended()] == ["DELIVERED"]
    assert len(slack.calls) == 1
