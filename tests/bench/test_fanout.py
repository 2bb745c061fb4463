"""The live part of the bench counts what came out of sockets, and commits what Baton would have written."""

import sys
from shutil import which

import pytest

from bench.client import Target
from bench.fanout.baton import (
    Services,
    create_member,
    delivery,
    own_conversations,
    recording,
    widgets,
)
from bench.fanout.driver import ClientFailedError, callers, client
from bench.fanout.phases import QUICK, Results
from bench.fanout.report import report
from bench.fanout.servers import Audience, cores, limit, plain_strawberry, subscriber
from bench.processes import only
from bench.server_under_test import Stage, Tenant
from tests.support.baton_client import Workspace

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or which("gcc") is None, reason="the client is in C and takes Linux"
)


def _house(workspace: Workspace) -> Services:
    server = workspace.server
    assert server.process is not None
    process = only(server.process.pid)
    target = Target("127.0.0.1", server.port)
    stage = Stage(target, server.data_dir, server.data_dir, server.service_url, process, process, cores())
    tenant = Tenant(workspace.agent_id, workspace.api_key)
    return Services(stage, tenant, create_member(stage, tenant, f"author-{workspace.id}"))


def test_events_of_the_limit_server_are_counted_once() -> None:
    with limit() as audience, client(audience, 20) as twenty:
        run = twenty.saturate(10, 2, 0.1)
        assert run.delivered > 0
        assert run.delivered % 200 == 0
        assert (run.lost, run.latency.count) == (0, run.delivered)
        assert 0 < run.latency.p50 <= run.latency.p99 <= run.latency.max
        assert twenty.pace(50, 1, 0.2).delivered == 200


def test_peer_server_of_the_comparison_sends_the_same_frames() -> None:
    with (
        plain_strawberry() as audience,
        client(audience, 3) as three,
        limit() as other,
        client(other, 1) as first_client,
    ):
        assert three.frame_bytes == first_client.frame_bytes
        assert three.pace(50, 1, 0.2).delivered == 30


def test_message_committed_by_another_process_is_delivered_to_its_conversation(
    workspace: Workspace,
) -> None:
    services = _house(workspace)
    with delivery(services) as audience, client(audience, 5) as five:
        run = five.saturate(10, 2, 0.2)
        assert (run.delivered > 0, run.lost) == (True, 0)
        cut = five.cut(20, 30)
        assert (cut.missing, cut.doubled, cut.caught_up.count) == (0, 0, 5)
    (result,) = workspace.server.rows(
        """SELECT conversations.id, conversations.messages, streams.head,
                  (SELECT count(*) FROM messages WHERE conversation_id = conversations.id) AS said,
                  (SELECT count(*) FROM log WHERE stream = streams.id) AS logged
           FROM conversations JOIN streams USING (id) JOIN agents ON agents.id = agent_id
           WHERE conversations.workspace_id = (SELECT workspace_id FROM members WHERE email = $1)""",
        f"author-{workspace.id}@example.com",
    )
    assert result["messages"] == result["said"] >= run.delivered / 5 + 20
    assert result["head"] == result["logged"] == result["said"]


def test_each_widget_catches_up_with_its_own_conversation(workspace: Workspace) -> None:
    services = _house(workspace)
    with own_conversations(services, 4) as audience, client(audience, 4) as four:
        cut = four.cut(2, 30)
        assert (cut.missing, cut.doubled, cut.caught_up.count) == (0, 0, 4)
    heads = workspace.server.rows(
        """SELECT streams.head,
                  (SELECT count(*) FROM messages WHERE conversation_id = conversations.id) AS said
           FROM conversations JOIN streams USING (id)
           WHERE workspace_id = (SELECT workspace_id FROM members WHERE email = $1)""",
        f"author-{workspace.id}@example.com",
    )
    assert len(heads) == 4
    assert all(row["head"] == row["said"] >= 3 for row in heads)


def test_recorded_messages_and_replies_reach_their_audience(workspace: Workspace) -> None:
    services = _house(workspace)
    with recording(services) as audience, client(audience, 2) as two:
        run = two.saturate(1, 1, 0.2)
        assert (run.delivered > 0, run.delivered % 2, run.lost) == (True, 0, 0)
    audience, requests = widgets(services, 3, 2)
    with callers(audience, requests, 2) as three:
        replies = three.replies(0.2)
    assert (replies.replies > 0, replies.lost) == (True, 0)
    assert (
        replies.after_answer.count == replies.after_request.count == replies.answered.count == replies.replies
    )


def test_refused_subscriber_ends_the_run(workspace: Workspace) -> None:
    target = Target("127.0.0.1", workspace.server.port)
    assert workspace.server.process is not None
    stranger = subscriber(workspace.start()["conversation"]["id"], "baton_sk_unknown")
    audience = Audience(
        "Baton", target.port, only(workspace.server.process.pid), target.port, subscribers=[stranger]
    )
    with pytest.raises(ClientFailedError), client(audience, 1):
        pass


def test_report_without_measurements_judges_nothing() -> None:
    assert "target" not in report([("CPU", "any")], QUICK, Results())
