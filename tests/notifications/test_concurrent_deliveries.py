"""Deliveries to one webhook endpoint: several conversations concurrently, each conversation in its order."""

from typing import Any

import pytest

from notifications.attempts import CONCURRENT, ROUND_BYTES
from tests.support.baton_client import Workspace, wait_for
from tests.support.webhook_helpers import Endpoint, Gate, PostOffice, agent_key, planned, statuses
from tests.support.webhook_receivers import Answer, Receiver

CREATED = "escalation.created"
MORE = CONCURRENT + 4


@pytest.fixture(scope="module")
def team(office: PostOffice) -> Workspace:
    """One workspace for the module: every test has an AI agent of its own in it."""
    return office.new_workspace()


@pytest.fixture
def agent_id(team: Workspace) -> Any:
    return team.key.ask('mutation { createAgent(name: "Own") { id } }')["createAgent"]["id"]


def waiting_endpoint(team: Workspace, receiver: Receiver, agent_id: str, gate: Gate) -> Endpoint:
    """Return an endpoint whose first delivery is held, with more that wait."""
    endpoint = Endpoint.create(team, receiver.url, CREATED, agent_id=agent_id)
    endpoint.escalate()
    receiver.wait_for(1)
    for _ in range(MORE):
        endpoint.escalate()
    planned(team)
    assert (gate.most, len(receiver.received)) == (1, 1)
    return endpoint


def attempts_made(endpoint: Endpoint) -> int:
    """Return the number of attempts at the target, the running ones included."""
    query = "SELECT sum(attempts_made) AS made FROM deliveries WHERE target_id = $1"
    return int(endpoint.server.rows(query, endpoint.target["id"])[0]["made"])


def test_endpoint_that_works_gets_eight_conversations_concurrently(team: Workspace, agent_id: str) -> None:
    first, others = Gate(), Gate()
    with Receiver(first, *[others] * MORE) as receiver:
        endpoint = waiting_endpoint(team, receiver, agent_id, first)
        first.open.set()
        wait_for(lambda: others.most == CONCURRENT, "deliveries to be sent concurrently")
        assert len(receiver.received) == 1 + CONCURRENT
        others.open.set()
        ended = endpoint.ended()
        assert others.most == CONCURRENT
    assert statuses(ended) == ["DELIVERED"] * (1 + MORE)
    assert [len(item["attempts"]) for item in ended] == [1] * (1 + MORE)
    assert sorted(item.id for item in receiver.received) == sorted(item["id"] for item in ended)


def test_deliveries_of_one_conversation_are_sent_one_after_the_other(team: Workspace, agent_id: str) -> None:
    gate = Gate(pause=0.05)
    with Receiver(*[gate] * 20) as receiver:
        endpoint = Endpoint.create(team, receiver.url, agent_id=agent_id)
        escalation = endpoint.escalate()
        receiver.wait_for(1)
        for number in range(4):
            team.key.reply(escalation, f"reply {number}")
        planned(team)
        gate.open.set()
        ended = endpoint.ended()
    assert gate.most == 1
    assert len(ended) > 5
    assert [item.id for item in receiver.received] == [item["id"] for item in ended]


def test_round_of_failures_counts_as_one_and_later_rounds_have_one_delivery(
    team: Workspace, agent_id: str
) -> None:
    first, later = Gate(), Gate()
    failures = [Answer(500)] * CONCURRENT
    with Receiver(first, *failures, later) as receiver:
        endpoint = waiting_endpoint(team, receiver, agent_id, first)
        first.open.set()
        receiver.wait_for(1 + CONCURRENT)
        endpoint.left()
        assert endpoint.target["failures"] == 1
        assert len(receiver.received) == 1 + CONCURRENT
        attempts = sorted(len(item["attempts"]) for item in endpoint.deliveries)
        assert attempts == [0] * (MORE - CONCURRENT) + [1] * (1 + CONCURRENT)
        endpoint.hurry()
        receiver.wait_for(2 + CONCURRENT)
        assert attempts_made(endpoint) == 2 + CONCURRENT
        later.open.set()
        # The first success ends the pause, so the others follow.
        endpoint.hurry()
        ended = endpoint.ended()
    assert statuses(ended) == ["DELIVERED"] * (1 + MORE)
    assert endpoint.target["failures"] == 0


def test_long_bodies_are_sent_one_after_the_other(team: Workspace, agent_id: str) -> None:
    first, others = Gate(), Gate(pause=0.05)
    with Receiver(first, *[others] * MORE) as receiver:
        endpoint = waiting_endpoint(team, receiver, agent_id, first)
        endpoint.server.execute(
            """INSERT INTO messages (
                   id, conversation_id, position, role, status, content, intents, created_at
               ) SELECT gen_random_uuid(), conversation_id, 1000 + number, 'USER', 'DELIVERED',
                   repeat('x', 20000), '{}', now()
               FROM escalations, generate_series(1, 60) AS number WHERE agent_id = $1""",
            agent_key(agent_id),
        )
        others.open.set()
        first.open.set()
        endpoint.ended()
    assert min(len(item.body) for item in receiver.received[1:]) > ROUND_BYTES
    assert others.most == 1
