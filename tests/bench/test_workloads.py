"""The requests of the bench have the answers that it takes for good."""

from itertools import islice

import pytest

from bench.client import Asked, Target, run
from bench.workloads import Tray, fill, start_conversations
from tests.support.baton_client import DEADLINE, Workspace

pytestmark = pytest.mark.anyio

CONVERSATIONS = 3
LISTED = 51  # one more than a page


async def test_answers_to_the_requests_of_the_bench_are_good(workspace: Workspace) -> None:
    target = Target("127.0.0.1", workspace.server.port)
    tray = Tray(target, workspace.api_key)
    await fill(target, tray, workspace.agent_id, LISTED, 1)
    talks = await start_conversations(target, tray, workspace.agent_id, CONVERSATIONS)
    for asked in (
        tray.probes(),
        tray.records(talks),
        tray.escalations(talks),
        tray.folds(talks),
        tray.lists(),
        tray.lists_of("{status: [OPEN, IN_PROGRESS]}", "DUE_ASC"),
    ):
        some = Asked(islice(asked.requests, CONVERSATIONS), asked.begins)
        # An answer that begins otherwise raises BadAnswerError.
        sample = await run(target, some, 1, DEADLINE)
        assert len(sample.latencies) == CONVERSATIONS
