"""Webhook events: each once, in order, and no others."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from rules.typeid import ESCALATION, WORKSPACE, format_id, parse_id
from tests.support.baton_client import Refused, Workspace, wait_for
from tests.support.baton_process import run_baton
from tests.support.conversation_driver import LISTED, Talk, resume
from tests.support.locks import hold, send
from tests.support.pubsub_backends import free_port
from tests.support.replay_command import ASKING, says
from tests.support.sla_clocks import QUICK, Clock, bring
from tests.support.webhook_helpers import (
    DELIVERY_SHOWN,
    Endpoint,
    PostOffice,
    Row,
    agent_key,
    mails_to,
    statuses,
    types,
    verified_body,
)
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
NOTE, DRAFT, PASSED_OVER = "a note among ourselves", "a draft of the AI's", "another draft of the AI's"
UPDATE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
JUDGE = """mutation($id: ID!, $to: Disposition) {
    setDisposition(escalationId: $id, disposition: $to) { escalation { id } } }"""
REOPEN = "mutation($id: ID!) { reopenEscalation(escalationId: $id) { escalation { id } } }"
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
NODE = f"query($id: ID!) {{ node(id: $id) {{ ... on Delivery {{ {DELIVERY_SHOWN} }} }} }}"
CREATED, PAUSED, TURN = "escalation.created", "conversation.ai_paused", "turn.requested"
RESUMED = "conversation.ai_resumed"


@pytest.fixture(scope="module")
def team(office: PostOffice) -> Workspace:
    """One workspace for the module: every test has an AI agent of its own in it."""
    return office.new_workspace()


# ---- events


def a_whole_story(talk: Talk, receiver: Receiver, of_turns: Receiver) -> str:
    """
    Cause every event at least once, and return the escalation's id.

    It waits where an event would become obsolete, or would be sent with a later state. Until the resolution,
    `of_turns` gets the turns only.
    """
    key, admin = talk.key, talk.workspace.email
    talk.says("hello?")
    receiver.wait_for(1)
    of_turns.wait_for(1)
    escalation = str(key.escalate(talk.id, "a VIP")["escalation"]["id"])
    clock = Clock(talk.workspace, talk.id, escalation)
    receiver.wait_for(4)
    bring([clock], "sla_due_at", 0)
    receiver.wait_for(5)
    for change in ({"note": NOTE}, {"priority": "URGENT"}, {"assignTo": admin}, {"assignTo": ""}):
        key.ask(UPDATE, i={"escalationId": escalation, **change})
    key.record(talk.id, "ASSISTANT", DRAFT, confidence=12)
    talk.presses()
    resume(talk)
    # The unanswered message is a turn again, the latest one until the customer writes.
    receiver.wait_for(12)
    of_turns.wait_for(2)
    talk.says("are you back?")
    receiver.wait_for(13)
    of_turns.wait_for(3)
    key.ask(PAUSE, id=talk.id)
    key.reply(escalation, "Ada here.", authorEmail=admin)
    key.record(talk.id, "ASSISTANT", PASSED_OVER)
    key.resolve(escalation, note="Sent again", disposition="NEEDED")
    receiver.wait_for(19)
    for judgement in ("DUPLICATE", None):
        key.ask(JUDGE, id=escalation, to=judgement)
    receiver.wait_for(21)
    key.ask(REOPEN, id=escalation)
    return escalation


STORY = [
    (TURN, 1),
    (CREATED, None),
    (PAUSED, 2),
    ("escalation.sla_at_risk", None),
    ("escalation.sla_breached", None),
    ("escalation.updated", "noted"),
    ("escalation.updated", "priority_changed"),
    ("escalation.updated", "assigned"),
    ("escalation.updated", "unassigned"),
    ("escalation.updated", "triggered"),
    ("conversation.ai_resumed", 3),
    (TURN, 3),
    (TURN, 3),
    (PAUSED, 4),
    ("escalation.replied", None),
    ("escalation.updated", "status_changed"),
    ("escalation.updated", "assigned"),
    ("escalation.resolved", None),
    ("conversation.ai_resumed", 5),
    ("escalation.updated", "disposition_changed"),
    ("escalation.updated", "disposition_changed"),
    ("escalation.reopened", None),
    (PAUSED, 6),
]


def test_every_event_arrives_once_in_order_signed_and_as_documented(office: PostOffice) -> None:
    team, foreign = office.new_workspace(), office.new_workspace()
    talk = Talk.begin(team, sla=QUICK)
    few_types = (TURN, "escalation.resolved")
    with Receiver() as receiver, Receiver() as chosen, Receiver() as elsewhere:
        endpoint = Endpoint.create(team, receiver.url, agent_id=talk.agent_id)
        few = Endpoint.create(team, chosen.url, *few_types, agent_id=talk.agent_id)
        strangers = [Endpoint.create(team, elsewhere.url), Endpoint.create(foreign, elsewhere.url)]
        escalation = a_whole_story(talk, receiver, chosen)
        receiver.wait_for(len(STORY))
        seen, seen_by_few = endpoint.ended(), few.ended()
        bodies = [verified_body(item, endpoint) for item in receiver.received]
        heard = [verified_body(item, few) for item in chosen.received]
        assert elsewhere.received == []
        assert [stranger.deliveries for stranger in strangers] == [[], []]
    assert [(body["type"], detail_of(body)) for body in bodies] == STORY
    updates = [body["data"]["changed"] for body in bodies if body["type"] == "escalation.updated"]
    assert [(changed["field"], changed["before"], changed["after"]) for changed in updates] == [
        ("note", None, None),
        ("priority", "medium", "urgent"),
        ("assignee", None, team.email),
        ("assignee", team.email, None),
        ("trigger", None, "button"),
        ("status", "open", "in_progress"),
        ("assignee", None, team.email),
        ("disposition", "needed", "duplicate"),
        ("disposition", "duplicate", None),
    ]
    versions = [changed["version"] for changed in updates]
    assert versions == sorted(versions)
    assert versions[0] == 2
    # The escalation that caused it or was handed back; a team member's own pause has none.
    control = [body["data"]["escalationId"] for body in bodies if body["type"] in (PAUSED, RESUMED)]
    assert control == [escalation, escalation, None, escalation, escalation]
    assert {body["data"]["latest"] for body in bodies if body["type"] == TURN} == {True}
    for body in bodies:
        assert body["data"].get("escalationId") in (escalation, None)
        assert (body["data"]["conversationId"], body["data"]["agentId"]) == (talk.id, talk.agent_id)
    # The same events. Each endpoint receives the state at the time of its own delivery.
    chosen_of = [(body["type"], body["timestamp"]) for body in bodies if body["type"] in few_types]
    assert [(body["type"], body["timestamp"]) for body in heard] == chosen_of
    # What is seen of it: one delivery for each, under the id that it came with.
    for shown, came in ((seen, receiver), (seen_by_few, chosen)):
        assert [item["id"] for item in shown] == [item.id for item in came.received]
        assert types(shown) == [item.event["type"] for item in came.received]
        assert {attempt["response"] for item in shown for attempt in item["attempts"]} == {"204"}
        assert [len(item["attempts"]) for item in shown] == [1] * len(shown)
    assert not {item["id"] for item in seen} & {item["id"] for item in seen_by_few}
    said_in(bodies, escalation)


def detail_of(body: Row) -> Any:
    """Return the kind of an update, or the epoch of a control event."""
    data = body["data"]
    return data.get("change") or (None if body["type"].startswith("escalation.") else data["epoch"])


def said_in(bodies: list[Row], escalation: str) -> None:
    """Assert the content of the whole story's bodies."""
    by_type = {body["type"]: body["data"] for body in bodies}
    created = by_type[CREATED]
    assert list(created.items())[2:6] == [
        ("reason", "a VIP"),
        ("confidence", None),
        ("priority", "medium"),
        ("customerEmail", None),
    ]
    [message] = created["transcript"]
    assert (message["role"], message["content"], message["intents"]) == ("user", "hello?", [])
    assert (created["status"], created["trigger"]) == ("open", "api")
    assert by_type["escalation.sla_at_risk"]["slaStatus"] == "at_risk"
    assert by_type["escalation.sla_breached"]["slaStatus"] == "breached"
    assert by_type[TURN]["message"]["content"] == "are you back?"
    assert by_type["escalation.replied"]["message"] | {"id": "", "createdAt": ""} == {
        "id": "",
        "role": "human",
        "content": "Ada here.",
        "author": "Ada Admin",
        "createdAt": "",
        "intents": [],
    }
    resolved = by_type["escalation.resolved"]
    assert (resolved["status"], resolved["resolutionNote"]) == ("resolved", "Sent again")
    last = resolved["transcript"][-1]
    assert (last["role"], last["content"]) == ("human", "Ada here.")
    assert resolved["link"].endswith(f"/app/escalations/{escalation}")
    written = json.dumps(bodies)
    for internal in (NOTE, DRAFT, PASSED_OVER):
        assert internal not in written


def test_concurrent_events_arrive_in_log_order_for_each_conversation(
    team: Workspace,
) -> None:
    with Receiver() as first, Receiver() as second:
        endpoints = [Endpoint.create(team, item.url) for item in (first, second)]
        with ThreadPoolExecutor(8) as pool:
            escalations = list(pool.map(lambda number: endpoints[number % 2].escalate(), range(50)))
        for place, (endpoint, receiver) in enumerate(zip(endpoints, (first, second), strict=True)):
            assert statuses(endpoint.ended()) == ["DELIVERED"] * 50
            log = team.server.rows(
                """SELECT type, data ->> 'escalation' AS escalation FROM log
                   WHERE stream = $1 AND data ->> 'agent' = $2 ORDER BY position""",
                parse_id(WORKSPACE, team.id),
                str(agent_key(endpoint.agent_id)),
            )
            logged = [
                (format_id(ESCALATION, UUID(row["escalation"])), row["type"])
                for row in log
                if row["type"] not in LISTED
            ]
            received = [
                (item.event["data"]["escalationId"], item.event["type"]) for item in receiver.received
            ]
            # Sorting keeps the order of each escalation's own events.
            assert sorted(received, key=itemgetter(0)) == sorted(logged, key=itemgetter(0))
            assert {escalation for escalation, _ in received} == {*escalations[place::2]}


async def test_uncommitted_or_rolled_back_event_is_not_delivered(team: Workspace, office: PostOffice) -> None:
    other = office.new_workspace()
    with Receiver() as receiver, Receiver() as beside:
        endpoint, marker = Endpoint.create(team, receiver.url, CREATED), Endpoint.create(other, beside.url)
        superuser = await asyncpg.connect(office.owner_url.replace("baton_owner@", "postgres@"))
        async with hold(office, "streams", parse_id(WORKSPACE, team.id)) as head:
            killed = send(endpoint.escalate, "killed")
            (process,) = await head.queued(1)
            marker.escalate()
            beside.wait_for(2)
            assert (receiver.received, endpoint.deliveries) == ([], [])
            await superuser.execute("SELECT pg_terminate_backend($1)", process)
            with pytest.raises(Refused, match="UNAVAILABLE"):
                await killed
            committed = send(endpoint.escalate, "committed")
            await head.queued(1)
            marker.escalate()
            beside.wait_for(4)
            assert (receiver.received, endpoint.deliveries) == ([], [])
        await superuser.close()
        await committed
        receiver.wait_for(1)
        assert types(endpoint.ended()) == [CREATED]
        assert [item.event["data"]["reason"] for item in receiver.received] == ["committed"]


def test_late_refused_call_notifies_nobody(team: Workspace) -> None:
    with Receiver() as receiver:
        endpoint = Endpoint.create(team, receiver.url)
        escalation = endpoint.escalate()
        receiver.wait_for(2)
        for change, code in (({"expectedVersion": 7}, "CONFLICT"), ({"assignTo": "x@y.z"}, "BAD_USER_INPUT")):
            given = {"escalationId": escalation, "priority": "URGENT", "note": NOTE, **change}
            assert team.key.refusal(UPDATE, i=given).code == code
        team.key.ask(UPDATE, i={"escalationId": escalation, "priority": "LOW"})
        assert types(endpoint.ended())[2:] == ["escalation.updated"]
        (body,) = [verified_body(item, endpoint) for item in receiver.received[2:]]
    assert (body["data"]["change"], body["data"]["priority"]) == ("priority_changed", "low")


def test_replay_notifies_nobody(office: PostOffice, team: Workspace) -> None:
    notifications = {"email": {"recipients": ["replay@example.com"]}}
    conversation = {"id": "asks", "messages": [ASKING, says("user", "hello?")]}
    for name, given in (("settings.json", {"notifications": notifications}), ("talk.jsonl", conversation)):
        (office.data_dir / name).write_text(json.dumps(given) + "\n")
    files = [str(office.data_dir / "talk.jsonl"), "--settings", str(office.data_dir / "settings.json")]
    environment = {"BATON_DATA_DIR": str(office.data_dir), **office.environment}
    replayed = run_baton("replay", *files, "--json", **environment)
    assert replayed.returncode == 0, replayed.stderr
    told_of = office.rows(
        """SELECT count(*) AS entries FROM workspaces JOIN log ON stream = workspaces.id
        WHERE scratch AND type = 'escalation.created'"""
    )
    assert told_of == [{"entries": 1}]
    # The same settings in a workspace that is not scratch: by its mail, the replay's would have come.
    endpoint = Endpoint.create(team, "http://127.0.0.1:1/")
    recipients = {"recipients": ["live@example.com", "replay@example.com"]}
    team.key.settings(endpoint.agent_id, notifications={"email": recipients})
    endpoint.escalate()
    wait_for(lambda: len(mails_to(office.sink, "live@example.com")) == 1, "the mail")
    wait_for(lambda: len(mails_to(office.sink, "replay@example.com")) == 1, "the mail")
    query = "SELECT count(*) AS n FROM deliveries JOIN workspaces w ON w.id = workspace_id WHERE scratch"
    assert office.rows(query) == [{"n": 0}]


# ---- an AI back end that uses only webhooks


def test_example_back_end_answers_customers_and_is_silent_while_people_have_control(
    team: Workspace,
) -> None:
    talk, port = Talk.begin(team), free_port()
    url = f"http://127.0.0.1:{port}/"
    endpoint = Endpoint.create(team, url, TURN, PAUSED, "conversation.ai_resumed", agent_id=talk.agent_id)
    environment = os.environ | {"BATON_URL": team.server.url, "BATON_API_KEY": team.api_key}
    command = [sys.executable, "-W", "error", str(ROOT / "examples/ai_backend.py"), str(port)]

    def answers() -> list[tuple[str, str]]:
        said = talk.key.messages(talk.id)
        return [(item["content"], item["status"]) for item in said if item["role"] == "ASSISTANT"]

    environment["BATON_WEBHOOK_SECRET"] = endpoint.secret
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as back_end:
        try:
            assert back_end.stdout is not None
            assert "listening" in back_end.stdout.readline()
            talk.says("hello?")
            wait_for(lambda: len(answers()) == 1, "an answer")
            escalation = talk.says("can I talk to a human please")["escalation"]["id"]
            talk.says("anybody?")
            endpoint.ended()
            talk.key.resolve(escalation)
            wait_for(lambda: len(answers()) == 2, "the answer to the last unanswered words")
            endpoint.ended()
            talk.says("are you back?")
            wait_for(lambda: len(answers()) == 3, "another answer")
            endpoint.ended()
        finally:
            back_end.terminate()
    words = ("hello?", "anybody?", "are you back?")
    assert answers() == [(f"You wrote: {word}", "DELIVERED") for word in words]
