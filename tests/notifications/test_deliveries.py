"""Deliveries as they are seen, sent again and dropped; samples; and whose secret they are signed by."""

from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from models.ids import new_id
from rules.typeid import DELIVERY, format_id
from tests.support.baton_client import Workspace, wait_for
from tests.support.conversation_driver import Talk, resume
from tests.support.notification_sinks import at
from tests.support.sla_clocks import QUICK, Clock, bring
from tests.support.webhook_helpers import (
    DELIVERIES,
    DELIVERY_SHOWN,
    LATER,
    RETRY,
    SAMPLE,
    Endpoint,
    Gate,
    PostOffice,
    Row,
    agent_key,
    deliveries,
    end_minute,
    planned,
    refusing,
    retry,
    row_of,
    statuses,
    types,
    verified_body,
)
from tests.support.webhook_receivers import Answer, Receiver

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
SWITCHED_OFF = "The endpoint is switched off. Switch it on, then retry."
NOTE, DRAFT, PASSED_OVER = "a note among ourselves", "a draft of the AI's", "another draft of the AI's"
UPDATE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
REOPEN = "mutation($id: ID!) { reopenEscalation(escalationId: $id) { escalation { id } } }"
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
NODE = f"query($id: ID!) {{ node(id: $id) {{ ... on Delivery {{ {DELIVERY_SHOWN} }} }} }}"
CREATED, PAUSED, TURN = "escalation.created", "conversation.ai_paused", "turn.requested"


@pytest.fixture(scope="module")
def team(office: PostOffice) -> Workspace:
    """One workspace for the module: every test has an AI agent of its own in it."""
    return office.new_workspace()


# ---- obsolete notices


def test_notice_that_no_longer_applies_is_dropped(team: Workspace) -> None:
    talk = Talk.begin(team, sla=QUICK)
    gate = Gate()
    with Receiver(gate) as receiver:
        endpoint = Endpoint.create(team, receiver.url, agent_id=talk.agent_id)
        escalations = [endpoint.escalate(), endpoint.escalate()]
        at_risk, breached = "escalation.sla_at_risk", "escalation.sla_breached"
        endpoint.when(lambda all_: types(all_).count(at_risk) == 2, "both to be at risk")
        team.key.reply(escalations[0], authorEmail=team.email)
        bring([Clock(team, "", escalations[1])], "sla_due_at", 0)
        endpoint.when(lambda all_: breached in types(all_), "one to be breached")
        gate.open.set()
        ended = endpoint.ended()
        dropped = [item for item in ended if item["status"] == "DROPPED"]
        assert types(dropped) == [at_risk] * 2
        assert {item["escalation"]["id"]: item["note"] for item in dropped} == {
            escalations[0]: "The escalation was answered or resolved before this was sent.",
            escalations[1]: "The clock has another status now: breached.",
        }
        assert [(item["attempts"], item["nextAttemptAt"]) for item in dropped] == [([], None)] * 2
        assert sorted(item.id for item in receiver.received) == sorted(
            item["id"] for item in ended if item["status"] == "DELIVERED"
        )
        assert len(receiver.received) == len(ended) - 2
        # Asking for it again makes it no truer.
        assert retry(team, dropped[0])["status"] == "PENDING"
        assert statuses(endpoint.ended()) == statuses(ended)


def test_turn_of_an_ended_epoch_is_dropped(team: Workspace) -> None:
    talk = Talk.begin(team)
    gate = Gate()
    with Receiver(gate) as receiver:
        endpoint = Endpoint.create(team, receiver.url, TURN, agent_id=talk.agent_id)
        talk.says("hello?")
        receiver.wait_for(1)
        talk.says("are you there?")
        talk.key.ask(PAUSE, id=talk.id)
        resume(talk)
        talk.says("and now?")
        planned(team)
        gate.open.set()
        first, second, after_resume, last = endpoint.ended()
    assert statuses([first, second, after_resume, last]) == ["DELIVERED", "DROPPED", "DELIVERED", "DELIVERED"]
    assert second["note"] == "The AI may not answer this turn any more."
    turns = [verified_body(item, endpoint)["data"] for item in receiver.received]
    assert [(turn["epoch"], turn["message"]["content"]) for turn in turns] == [
        (1, "hello?"),
        (3, "are you there?"),
        (3, "and now?"),
    ]


def test_waiting_delivery_to_a_disabled_or_deleted_endpoint_is_dropped(team: Workspace) -> None:
    for note, end in (
        ("The endpoint has been deleted.", Endpoint.delete),
        (SWITCHED_OFF, lambda target: target.update(enabled=False)),
    ):
        with refusing() as receiver:
            endpoint = Endpoint.create(team, receiver.url, CREATED)
            endpoint.escalate()
            endpoint.tried()
            end(endpoint)
            endpoint.escalate()
            planned(team)
            endpoint.hurry()
            (dropped,) = endpoint.ended()
            assert (dropped["status"], dropped["note"], len(dropped["attempts"])) == ("DROPPED", note, 1)
            assert len(receiver.received) == 1


# ---- what is sent again


def test_body_is_fixed_at_the_first_attempt(team: Workspace) -> None:
    with Receiver(Answer(500, LATER), Answer(503, LATER)) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        escalation = endpoint.escalate()
        endpoint.tried()
        team.key.reply(escalation, "A person here.", authorEmail=team.email)
        team.key.resolve(escalation, note="Done")
        for attempts in (2, 3):
            endpoint.hurry()
            delivery = endpoint.tried(attempts)
    first = receiver.received[0]
    assert delivery["status"] == "DELIVERED"
    assert [attempt["response"] for attempt in delivery["attempts"]] == ["500", "503", "204"]
    for item in receiver.received:
        assert (item.id, item.body) == (delivery["id"], first.body)
        assert verified_body(item, endpoint)["data"]["status"] == "open"
    stamps = [float(item.headers["webhook-timestamp"]) for item in receiver.received]
    assert stamps == sorted(stamps)


def test_rotated_secret_verifies_for_a_day_next_to_the_new_one(team: Workspace) -> None:
    with Receiver() as receiver:
        old = Endpoint.create(team, receiver.url, CREATED)
        new = old.rotate()
        new.escalate()
        (during,) = receiver.wait_for(1)
        assert verified_body(during, old) == verified_body(during, new)
        team.server.execute(
            "UPDATE webhook_endpoints SET previous_until = now() - interval '1 second' WHERE id = $1", new.key
        )
        new.escalate()
        after = receiver.wait_for(2)[1]
    verified_body(after, new)
    with pytest.raises(WebhookVerificationError):
        verified_body(after, old)
    assert len(after.headers["webhook-signature"].split()) == 1


# ---- what is seen


def test_deliveries_are_listed_newest_first_by_escalation_status_and_channel(office: PostOffice) -> None:
    team, other = office.new_workspace(), office.new_workspace()
    with Receiver() as receiver, refusing() as dead:
        team.key.settings(team.agent_id, notifications={"email": {"recipients": ["list@example.com"]}})
        well = Endpoint.create(team, receiver.url, agent_id=team.agent_id)
        ill = Endpoint.create(team, dead.url, CREATED, agent_id=team.agent_id)
        escalations = [well.escalate(), well.escalate()]
        team.key.resolve(escalations[0])
        wait_for(lambda: statuses(deliveries(team)).count("DELIVERED") == 8, "all but two to arrive")
        everything = deliveries(team)
    assert sorted(types(everything)) == sorted(
        [CREATED] * 6 + [PAUSED] * 2 + ["escalation.resolved", "conversation.ai_resumed"]
    )
    assert statuses(ill.deliveries) == ["PENDING"] * 2
    times = [item["createdAt"] for item in everything]
    assert times == sorted(times)
    waiting = {"escalation": escalations[0], "status": "PENDING"}
    for chosen in (waiting, {"channel": "EMAIL"}, {"channel": "SLACK"}, {"escalation": escalations[1]}):
        assert ids(deliveries(team, **chosen)) == ids([item for item in everything if fits(item, chosen)])
    assert ids(deliveries(team, channel="SLACK")) == []
    pages: list[Row] = []
    after = None
    while after is not None or not pages:
        page = team.key.ask(DELIVERIES, first=3, after=after)["deliveries"]
        pages += page["nodes"]
        assert ids(page["nodes"]) == [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
    assert ids(pages[::-1])[: len(everything)] == ids(everything)
    for item in everything:
        assert team.key.ask(NODE, id=item["id"])["node"]["createdAt"] == item["createdAt"]
        assert other.key.ask(NODE, id=item["id"]) == {"node": None}
    assert deliveries(other) == []


def ids(rows: list[Row]) -> list[str]:
    return [item["id"] for item in rows]


def fits(delivery: Row, chosen: dict[str, str]) -> bool:
    of = {"escalation": delivery["escalation"] and delivery["escalation"]["id"]}
    return all((delivery | of)[name] == value for name, value in chosen.items())


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"first": 0}, "first"),
        ({"first": 101}, "first"),
        ({"after": "nonsense"}, "after"),
        ({"escalation": "esc_1"}, "escalationId"),
        ({"escalation": format_id(DELIVERY, new_id())}, "escalationId"),
        ({"status": "SENT"}, "status"),
    ],
)
def test_invalid_argument_of_the_list_is_refused(team: Workspace, given: Row, field: str) -> None:
    refusal = team.key.refusal(DELIVERIES, **given)
    assert (refusal.code, refusal.field) == ("BAD_USER_INPUT", field)


def test_every_attempt_is_shown_with_its_answer_and_the_next_time(team: Workspace) -> None:
    with Receiver(Answer(500, LATER)) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        escalation = endpoint.escalate()
        failed = endpoint.tried()
        assert failed["escalation"] == {"id": escalation}
        assert (failed["channel"], failed["target"]) == ("WEBHOOK", receiver.url)
        assert (failed["eventType"], failed["status"]) == (CREATED, "PENDING")
        (attempt,) = failed["attempts"]
        assert (attempt["succeeded"], attempt["response"]) == (False, "500")
        assert 0 <= attempt["durationMs"] < 15_000
        assert failed["createdAt"] <= attempt["attemptedAt"] < failed["nextAttemptAt"]
        # A retry by hand does not wait. It is the second attempt, not a new first one.
        assert retry(team, failed)["status"] == "PENDING"
        (arrived,) = endpoint.ended()
    assert arrived["attempts"][0] == attempt
    assert (arrived["attempts"][1]["succeeded"], arrived["attempts"][1]["response"]) == (True, "204")
    assert (arrived["status"], arrived["nextAttemptAt"], arrived["note"]) == ("DELIVERED", None, None)
    assert row_of(team.server, arrived)["attempts_made"] == 2
    before = row_of(team.server, arrived), endpoint.target
    assert team.key.refusal(RETRY, id=arrived["id"]).code == "CONFLICT"
    assert team.key.refusal(RETRY, id=format_id(DELIVERY, new_id())).code == "NOT_FOUND"
    assert (row_of(team.server, arrived), endpoint.target) == before
    assert len(receiver.received) == 2


def test_delivery_that_waits_for_a_failing_target_shows_why_and_how_long(team: Workspace) -> None:
    with Receiver(Answer(429, {"retry-after": "86400"})) as receiver:
        endpoint = Endpoint.create(team, receiver.url, CREATED)
        endpoint.escalate()
        endpoint.tried()
        endpoint.escalate()
        failed, waiting = endpoint.when(lambda all_: len(all_) == 2, "the second delivery")
        assert (failed["note"], waiting["attempts"]) == (None, [])
        assert waiting["note"] == "It waits, because the latest attempts at this target failed."
        pause = at(waiting["nextAttemptAt"]) - at(failed["attempts"][0]["attemptedAt"])
        assert timedelta(days=1) <= pause < timedelta(days=1, hours=1)


# ---- samples


def test_sample_reports_its_result(team: Workspace) -> None:
    with Receiver() as receiver, refusing(503) as dead:
        well = Endpoint.create(team, receiver.url, TURN)
        (sample,) = well.sample()
        assert (sample["status"], sample["eventType"], sample["escalation"]) == ("DELIVERED", "test", None)
        assert [(attempt["succeeded"], attempt["response"]) for attempt in sample["attempts"]] == [
            (True, "204")
        ]
        (received,) = receiver.received
        assert (received.id, verified_body(received, well)["type"]) == (sample["id"], "test")
        ill = Endpoint.create(team, dead.url, agent_id=well.agent_id)
        off = Endpoint.create(team, receiver.url + "/off", agent_id=well.agent_id)
        off.update(enabled=False)
        end_minute(team)
        first, second = well.sample()
        assert (first["target"], first["status"]) == (well.url, "DELIVERED")
        assert (second["target"], second["status"]) == (ill.url, "PENDING")
        assert [(attempt["succeeded"], attempt["response"]) for attempt in second["attempts"]] == [
            (False, "503")
        ]
        assert second["nextAttemptAt"] > second["attempts"][0]["attemptedAt"]
        assert off.deliveries == []


def test_sample_is_attempted_immediately_despite_a_backlog(team: Workspace) -> None:
    with refusing(503) as dead:
        endpoint = Endpoint.create(team, dead.url)
        endpoint.escalate()
        endpoint.when(lambda all_: len(all_) == 2 and all_[0]["attempts"], "the first attempt")
        (sample,) = endpoint.sample()
        assert [attempt["response"] for attempt in sample["attempts"]] == ["503"]
        # A retry by hand does not wait for the end of the receiver's Retry-After either.
        waiting = endpoint.deliveries[1]
        assert waiting["attempts"] == []
        retry(team, waiting)
        endpoint.when(lambda all_: len(all_[1]["attempts"]) == 1, "the retried one to be tried")


def test_sample_without_a_recipient_is_refused(team: Workspace) -> None:
    endpoint = Endpoint.create(team, "http://127.0.0.1:1/")
    endpoint.update(enabled=False)
    deleted = Endpoint.create(team, "http://127.0.0.1:1/")
    deleted.delete()
    for agent_id in (endpoint.agent_id, deleted.agent_id):
        for channel in ("WEBHOOK", "EMAIL", "SLACK"):
            refusal = team.key.refusal(SAMPLE, id=agent_id, channel=channel)
            assert (refusal.code, refusal.field) == ("BAD_USER_INPUT", "channel")
    agents = [agent_key(item.agent_id) for item in (endpoint, deleted)]
    assert team.server.rows("SELECT id FROM deliveries WHERE agent_id = ANY($1)", agents) == []
