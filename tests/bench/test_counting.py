"""The bench counts what the server has done, and nothing else."""

from itertools import islice

import pytest

# The bench is not an installed package; it is imported from the repository's root.
from bench.client import Asked, BadAnswerError, Target, body_of, run
from bench.live import measure_pushes
from bench.workloads import Tray
from tests.support.baton_client import Workspace

pytestmark = pytest.mark.anyio


def _tray(workspace: Workspace) -> tuple[Target, Tray]:
    target = Target("127.0.0.1", workspace.server.port)
    return target, Tray(target, workspace.api_key)


async def test_every_request_that_is_counted_was_carried_out(workspace: Workspace) -> None:
    target, tray = _tray(workspace)
    conversations = [workspace.start()["conversation"]["id"] for _ in range(3)]
    records = tray.records(conversations)
    sample = await run(target, Asked(islice(records.requests, 12), records.begins), 3, 60)
    assert len(sample.latencies) == 12
    assert [len(workspace.key.messages(conversation)) for conversation in conversations] == [4, 4, 4]

    created = await run(target, tray.escalations(conversations), 2, 60)
    folded = await run(target, tray.folds(conversations), 2, 60)
    assert (len(created.latencies), len(folded.latencies)) == (3, 3)
    assert all(workspace.key.conversation(conversation)["activeEscalation"] for conversation in conversations)


async def test_answer_other_than_the_expected_ends_the_run(workspace: Workspace) -> None:
    target, tray = _tray(workspace)
    conversation = workspace.start()["conversation"]["id"]
    with pytest.raises(BadAnswerError, match='"created":true'):
        await run(target, tray.folds([conversation]), 1, 60)
    with pytest.raises(BadAnswerError, match="UNAUTHENTICATED"):
        await run(target, Tray(target, "baton_sk_unknown").lists(), 1, 60)


async def test_every_message_is_timed_to_its_own_event(workspace: Workspace) -> None:
    target, tray = _tray(workspace)
    conversation = workspace.start()["conversation"]["id"]
    pushes = await measure_pushes(target, tray, workspace.api_key, conversation, 3)
    assert len(pushes) == 3
    assert all(push.heard > 0 for push in pushes)
    assert workspace.key.messages(conversation)[-1]["position"] == 13


def test_answer_is_counted_after_its_last_byte() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx: y\r\n\r\nbody"
    assert [body_of(answer[:length]) for length in range(len(answer))] == [None] * len(answer)
    assert body_of(answer) == b"body"


async def test_client_at_a_pace_pauses_after_each_request(workspace: Workspace) -> None:
    target, tray = _tray(workspace)
    conversation = workspace.start()["conversation"]["id"]
    sample = await run(target, tray.records([conversation]), 1, 0.5, pause=0.1)
    # A slow machine sends fewer, and none sends more.
    assert 1 <= len(sample.latencies) <= 6
