"""Notifications of one workspace do not wait for those of another, however many these are."""

from collections.abc import Iterator

import pytest

from rules.typeid import AGENT, WORKSPACE, parse_id
from tests.support.baton_client import Workspace, wait_for
from tests.support.mail_sink import Fault
from tests.support.webhook_helpers import Endpoint, Gate, PostOffice, planned
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

CREATED = "escalation.created"
EVENTS, ENDPOINTS, RECIPIENTS = 40_000, 45, 22
# The bound is 2 s on a machine of one's own; this one is shared.

# Copies of the newest entry, as a busy hour would have written them.
PILE_UP = """WITH head AS (UPDATE streams SET head = head + $2 WHERE id = $1 RETURNING head - $2 AS head)
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT stream, head.head + n, type, data, occurred_at
    FROM head, generate_series(1, $2) n, (SELECT * FROM log WHERE stream = $1 AND type = $3 LIMIT 1) entry"""
BREAK = """UPDATE agents SET settings = jsonb_set(settings, '{notifications}', '{"email": {"enabled": "?"}}')
    WHERE id = $1"""
UNPLANNED = """SELECT head - position AS number FROM planned_logs JOIN streams ON id = workspace_id
    WHERE workspace_id = $1"""

ENDED_ATTEMPTS = """SELECT DISTINCT channel FROM delivery_attempts JOIN deliveries d ON d.id = delivery_id
    WHERE succeeded IS NOT NULL"""


@pytest.fixture
def busy(post: PostOffice) -> Iterator[Workspace]:
    workspace = post.new_workspace()
    yield workspace
    key = parse_id(WORKSPACE, workspace.id)
    post.execute(
        "UPDATE planned_logs SET position = head FROM streams WHERE id = $1 AND workspace_id = id", key
    )
    post.execute(
        "DELETE FROM delivery_attempts USING deliveries d WHERE delivery_id = d.id AND workspace_id = $1", key
    )
    post.execute("DELETE FROM deliveries WHERE workspace_id = $1", key)


def test_notice_of_quiet_workspace_is_planned_between_40_000_events_of_busy_one(
    post: PostOffice, busy: Workspace
) -> None:
    quiet, key = post.new_workspace(), parse_id(WORKSPACE, busy.id)
    gate = Gate()
    with Receiver(gate) as slow, Receiver() as receiver:
        Endpoint.create(busy, slow.url, CREATED, agent_id=busy.agent_id).escalate()
        endpoint = Endpoint.create(quiet, receiver.url, CREATED, agent_id=quiet.agent_id)
        slow.wait_for(1)
        post.execute(PILE_UP, key, EVENTS, CREATED)
        wait_for(lambda: post.rows(UNPLANNED, key)[0]["number"] < EVENTS, "the planner to begin")
        endpoint.escalate()
        receiver.wait_for(1)
        unplanned = post.rows(UNPLANNED, key)[0]["number"]
        gate.open.set()
    assert unplanned > 0


def test_slow_endpoints_of_busy_workspace_leave_places_for_quiet_one(
    post: PostOffice, busy: Workspace
) -> None:
    quiet = post.new_workspace()
    gate = Gate()
    with Receiver(*[gate] * ENDPOINTS) as slow, Receiver() as receiver:
        for number in range(ENDPOINTS):
            last = Endpoint.create(busy, f"{slow.url}/{number}", CREATED, agent_id=busy.agent_id)
        endpoint = Endpoint.create(quiet, receiver.url, CREATED, agent_id=quiet.agent_id)
        last.escalate()
        wait_for(lambda: gate.most >= 20, "the busy workspace to hold its places")
        endpoint.escalate()
        receiver.wait_for(1)
        attempted = len(slow.received)
        gate.open.set()
        slow.wait_for(ENDPOINTS)
    assert attempted < ENDPOINTS


def test_hung_mail_server_with_many_recipients_delays_no_webhook() -> None:
    with PostOffice.opened() as office, Receiver() as receiver:
        office.sink.faults["CONNECT"] = Fault.HANG
        office.serve(BATON_CONFIRMED_DOMAINS="*")
        workspace = office.new_workspace()
        key, recipients = workspace.agent_id, [f"{number}@example.com" for number in range(RECIPIENTS)]
        workspace.key.settings(key, notifications={"email": {"recipients": recipients}})
        endpoint = Endpoint.create(workspace, receiver.url, CREATED, agent_id=key)
        endpoint.escalate()
        wait_for(lambda: office.sink.connections >= 20, "mails to take all places of the workspace")
        later = endpoint.escalate()
        assert later in receiver.wait_for(2)[-1].body.decode()
        # No mail has failed and given its place back in the meantime.
        assert office.rows(ENDED_ATTEMPTS) == [{"channel": "WEBHOOK"}]


def test_workspace_with_unreadable_settings_delays_no_other(post: PostOffice, busy: Workspace) -> None:
    quiet, key = post.new_workspace(), parse_id(AGENT, busy.agent_id)
    with Receiver() as broken, Receiver() as receiver:
        endpoint = Endpoint.create(busy, broken.url, CREATED, agent_id=busy.agent_id)
        other = Endpoint.create(quiet, receiver.url, CREATED, agent_id=quiet.agent_id)
        planned(busy)
        settings = post.rows("SELECT settings FROM agents WHERE id = $1", key)[0]["settings"]
        endpoint.escalate()
        broken.wait_for(1)
        post.execute(BREAK, key)
        try:
            # Its log has an event before the other's.
            post.execute(PILE_UP, parse_id(WORKSPACE, busy.id), 1, CREATED)
            other.escalate()
            receiver.wait_for(1)
            unplanned = post.rows(UNPLANNED, parse_id(WORKSPACE, busy.id))[0]["number"]
        finally:
            post.execute("UPDATE agents SET settings = $2 WHERE id = $1", key, settings)
        assert unplanned == 1
        # With readable settings, the event is delivered.
        broken.wait_for(2)


def test_events_without_recipients_are_planned_and_not_delivered_later(post: PostOffice) -> None:
    workspace = post.new_workspace()
    workspace.key.escalate(workspace.start()["conversation"]["id"])
    planned(workspace)
    with Receiver() as receiver:
        endpoint = Endpoint.create(workspace, receiver.url, CREATED, agent_id=workspace.agent_id)
        later = endpoint.escalate()
        planned(workspace)
        (delivered,) = receiver.wait_for(1)
        assert [item["status"] for item in endpoint.deliveries] in (["DELIVERED"], ["PENDING"])
    assert later in delivered.body.decode()
