"""The lean servers of the bench do what Baton does, and a server that answers otherwise ends the run."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bench.client import Asked, Target, run
from bench.fanout.servers import free_ports, started
from bench.processes import only
from bench.requests.answers import WrongAnswerError, check_answers, differences, shown_list
from bench.requests.servers import BATON, Contestant
from bench.requests.works import LISTS, RECORDS, REPLIES, Workspace
from bench.server_under_test import Tenant
from rules.typeid import (
    CONVERSATION,
    ESCALATION,
    MEMBER,
    MESSAGE,
    WORKSPACE,
    format_id,
    parse_id,
)
from tests.support.baton_client import DEADLINE, Server
from tests.support.baton_client import Workspace as Home

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the bench stops processes, and takes Linux"),
]

PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
WORKS_OF = {"auth": (RECORDS, REPLIES), "opt": (RECORDS, REPLIES), "four": (LISTS,)}


@contextmanager
def lean(server: Server, how: str, works: tuple[str, ...] | None = None) -> Iterator[Contestant]:
    (port,) = free_ports(1)
    command = (sys.executable, "-m", "bench.requests.lean", str(port), server.service_url, how)
    with started(command, [port]) as process:
        target = Target("127.0.0.1", port)
        yield Contestant(f"lean {how}", target, only(process.pid), process.pid, works or WORKS_OF[how])


def baton(server: Server) -> Contestant:
    assert server.process is not None
    pid = server.process.pid
    return Contestant(BATON, Target("127.0.0.1", server.port), only(pid), pid)


def measured(workspace: Home, escalated: bool = False) -> Workspace:
    """Return a workspace of the bench with one conversation, and an escalation that has its first reply."""
    member = workspace.sign_in()
    result = Workspace(parse_id(WORKSPACE, workspace.id), Tenant(workspace.agent_id, workspace.api_key))
    result.conversations = [workspace.start(customer={"name": "Jane"})["conversation"]["id"]]
    assert member.token is not None
    result.sessions = [member.token]
    if escalated:
        conversation = workspace.start(customer={"name": "Jane"})["conversation"]["id"]
        workspace.key.record(conversation, "USER", "Where is my parcel?")
        raised = workspace.key.escalate(conversation, assignTo=workspace.email)
        result.escalations = [raised["escalation"]["id"]]
        member.reply(result.escalations[0])
    return result


def traces(server: Server, workspace: Workspace, conversation: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a conversation and of its log, without ids and times of their own."""
    key = parse_id(CONVERSATION, conversation)
    rows = {
        "conversations": server.rows("SELECT * FROM conversations WHERE id = $1", key),
        "messages": server.rows(
            "SELECT * FROM messages WHERE conversation_id = $1 ORDER BY position DESC LIMIT 2", key
        ),
        "escalations": server.rows("SELECT * FROM escalations WHERE conversation_id = $1", key),
        "timeline": server.rows(
            """SELECT timeline_entries.* FROM timeline_entries
               JOIN escalations ON escalations.id = escalation_id WHERE conversation_id = $1
               ORDER BY position""",
            key,
        ),
        "streams": server.rows("SELECT * FROM streams WHERE id = $1", key),
        "log": server.rows("SELECT * FROM log WHERE stream = $1 ORDER BY position", key),
        "workspace's log": server.rows(
            """SELECT type, data FROM log WHERE stream = $1 AND data->>'conversation' = $2
               ORDER BY position""",
            workspace.id,
            str(key),
        ),
    }
    return {name: [_plain(row) for row in table] for name, table in rows.items()}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("{"):
            return _plain(json.loads(value))
        if isinstance(value, dict):
            return _plain(value)
        return "an id" if isinstance(value, UUID) or _is_uuid(value) else value

    # Microseconds of business hours, too, are of the time of the call.
    return {name: plain(value) for name, value in row.items() if not name.endswith(("_at", "_us"))}


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


async def ask(server: Contestant, workspace: Workspace, work: str, count: int) -> None:
    asked = workspace.work(work, server.target)
    await run(server.target, Asked(islice(asked.requests, count), asked.begins), 1, DEADLINE)


@asynccontextmanager
async def listener(server: Server) -> AsyncIterator["asyncio.Queue[str]"]:
    """Yield the wake-ups of the lean servers."""
    woken: asyncio.Queue[str] = asyncio.Queue()
    connection = await asyncpg.connect(server.service_url)
    try:
        await connection.add_listener("bench", lambda *given: woken.put_nowait(str(given[-1])))
        yield woken
    finally:
        await connection.close()


@pytest.mark.parametrize("how", ["auth", "opt"])
async def test_lean_server_leaves_the_rows_of_a_message_that_baton_leaves(server: Server, how: str) -> None:
    own, other = measured(server.new_workspace()), measured(server.new_workspace())
    with lean(server, how) as peer:
        # A customer's message and an AI's, twice.
        await ask(baton(server), own, RECORDS, 4)
        await ask(peer, other, RECORDS, 4)
    expected = traces(server, own, own.conversations[0])
    assert len(expected["workspace's log"]) >= 4
    assert traces(server, other, other.conversations[0]) == expected


@pytest.mark.parametrize("how", ["auth", "opt"])
async def test_lean_server_leaves_the_rows_of_a_reply_that_baton_leaves(server: Server, how: str) -> None:
    own, other = measured(server.new_workspace(), True), measured(server.new_workspace(), True)
    with lean(server, how) as peer:
        await ask(baton(server), own, REPLIES, 2)
        await ask(peer, other, REPLIES, 2)
    left = [traces(server, item, _conversation_of(server, item)) for item in (own, other)]
    assert len(left[0]["timeline"]) >= 3
    assert left[1] == left[0]


def _conversation_of(server: Server, workspace: Workspace) -> str:
    key = parse_id(ESCALATION, workspace.escalations[0])
    (row,) = server.rows("SELECT conversation_id FROM escalations WHERE id = $1", key)
    return format_id(CONVERSATION, row["conversation_id"])


@pytest.mark.parametrize("work", [RECORDS, REPLIES])
async def test_positions_have_no_gaps_and_followers_are_woken(server: Server, work: str) -> None:
    workspace = measured(server.new_workspace(), True)
    own = workspace.conversations[0] if work == RECORDS else _conversation_of(server, workspace)
    conversation = parse_id(CONVERSATION, own)
    query = "SELECT position FROM messages WHERE conversation_id = $1 ORDER BY position"
    before = len(server.rows(query, conversation))
    with lean(server, "auth") as locked, lean(server, "opt") as unlocked:
        async with listener(server) as woken:
            # One may be overtaken by the other seven times, and tries eight times.
            await asyncio.gather(*(ask(peer, workspace, work, 7) for peer in (locked, unlocked)))
            (stream,) = server.rows("SELECT head FROM streams WHERE id = $1", conversation)
            last = {"stream": str(conversation), "position": stream["head"]}
            async with asyncio.timeout(DEADLINE):
                while last not in json.loads(await woken.get()):
                    pass
    positions = [row["position"] for row in server.rows(query, conversation)]
    assert positions == list(range(1, before + 15))


async def test_servers_that_answer_like_baton_are_measured(server: Server) -> None:
    workspace = measured(server.new_workspace(), True)
    with lean(server, "auth") as auth, lean(server, "opt") as opt, lean(server, "four") as four:
        await check_answers([baton(server), auth, opt, four], workspace)


async def test_server_that_answers_otherwise_ends_the_run(server: Server) -> None:
    workspace = measured(server.new_workspace(), True)
    with (
        lean(server, "auth", (LISTS,)) as wrong,
        pytest.raises(WrongAnswerError, match=r"(?s)lean auth answers escalations.*KeyError"),
    ):
        await check_answers([baton(server), wrong], workspace)


async def test_message_that_raises_an_escalation_is_not_measured(server: Server) -> None:
    home = server.new_workspace()
    workspace = measured(home)
    # The reply of a paused AI is held, and no escalation is raised.
    home.key.ask(PAUSE, id=workspace.conversations[0])
    with (
        lean(server, "auth", (RECORDS,)) as peer,
        pytest.raises(WrongAnswerError, match="The message is held"),
    ):
        await check_answers([peer], workspace)


def _page() -> dict[str, Any]:
    ids = {
        prefix: UUID(int=place) for place, prefix in enumerate((ESCALATION, MEMBER, CONVERSATION, MESSAGE))
    }
    text = {prefix: format_id(prefix, key) for prefix, key in ids.items()}
    message = {"role": "USER", "content": "Hi", "createdAt": "2026-01-01T00:00:00.123456Z"}
    node = {"status": "OPEN", "priority": "HIGH", "reason": "a", "createdAt": "2026-01-01T00:00:00.000001Z"}
    info = {"hasNextPage": True, "endCursor": "abc"}
    due = "2026-01-01T02:00:00Z"
    own = {
        **node,
        "id": text[ESCALATION],
        "sla": {"status": "ON_TRACK", "dueAt": due, "remainingMinutes": 119.5},
        "assignee": {"id": text[MEMBER], "name": "Ada"},
        "conversation": {
            "id": text[CONVERSATION],
            "customer": {"name": "Jane", "email": None},
            "messages": {"nodes": [{**message, "id": text[MESSAGE]}]},
        },
    }
    foreign = {
        **node,
        "id": str(ids[ESCALATION]),
        "slaStatus": "ON_TRACK",
        "slaDueAt": due,
        "assignee": {"id": str(ids[MEMBER]), "name": "Ada"},
        "conversation": {
            "id": str(ids[CONVERSATION]),
            "customerName": "Jane",
            "customerEmail": None,
            "messages": {"nodes": [{**message, "id": str(ids[MESSAGE])}]},
        },
    }
    return {
        name: {"escalations": {"nodes": [shown], "pageInfo": info}}
        for name, shown in (("own", own), ("foreign", foreign))
    }


def test_lists_are_compared_in_batons_form() -> None:
    page = _page()
    own, foreign = shown_list(page["own"]), shown_list(page["foreign"])
    assert not list(differences(own, foreign, "list"))
    own["nodes"][0]["sla"]["remainingMinutes"] = None
    assert not list(differences(own, foreign, "list"))
    foreign["nodes"][0]["conversation"]["customer"]["name"] = "John"
    assert list(differences(own, foreign, "list")) == [
        "list.nodes[0].conversation.customer.name is 'John' instead of 'Jane'"
    ]
    del foreign["nodes"][0]["reason"]
    (difference,) = differences(own, foreign, "list")
    assert difference.startswith("list.nodes[0] is {")
