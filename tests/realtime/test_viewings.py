"""Viewers of a conversation: the same for every process, and ended without a further call."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from realtime.viewings import VIEWINGS_OF_MEMBER
from rules.typeid import CONVERSATION, MEMBER, parse_id
from tests.support.baton_client import Caller, Server, Socket, Workspace, wait_for
from tests.support.open_subscriptions import all_begun

pytestmark = pytest.mark.anyio

SET = "mutation($id: ID!, $viewing: Boolean!) { setViewing(conversationId: $id, viewing: $viewing) }"
VIEWERS = "query($id: ID!) { conversation(id: $id) { viewers { name } } }"
PAUSE = "mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }"
TYPING = "mutation($id: ID!) { setTyping(conversationId: $id, typing: true) }"
ME = "{ viewer { member { id } } }"
CHANGES = """subscription($id: ID!, $after: String) {
    conversationUpdated(conversationId: $id, after: $after) { kind cursor typing member { name } } }"""


def set_viewing(caller: Caller, conversation: str, viewing: bool = True) -> None:
    assert caller.ask(SET, id=conversation, viewing=viewing) == {"setViewing": True}


def viewers(caller: Caller, conversation: str) -> list[str]:
    return [member["name"] for member in caller.ask(VIEWERS, id=conversation)["conversation"]["viewers"]]


def age_views(server: Server, conversation: str, seconds: float) -> None:
    """Let time pass for the views of a conversation."""
    server.execute(
        f"UPDATE viewings SET ends_at = ends_at - interval '{seconds} seconds' WHERE conversation_id = $1",
        parse_id(CONVERSATION, conversation),
    )


@pytest.fixture
def bo(workspace: Workspace) -> Caller:
    return workspace.member("bo@example.com")


@pytest.fixture
def cy(workspace: Workspace) -> Caller:
    return workspace.member("cy@example.com", "VIEWER")


@pytest.fixture
def conversation(workspace: Workspace) -> str:
    return str(workspace.start()["conversation"]["id"])


def test_viewers_are_the_members_who_have_it_open(
    workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    elsewhere = workspace.start()["conversation"]["id"]
    for caller, place in ((cy, conversation), (bo, conversation), (bo, conversation), (bo, elsewhere)):
        set_viewing(caller, place)
    assert viewers(bo, conversation) == viewers(cy, conversation) == ["bo", "cy"]
    set_viewing(bo, conversation, viewing=False)
    assert (viewers(cy, conversation), viewers(cy, elsewhere)) == (["cy"], ["bo"])


def test_view_counts_for_30_seconds_after_the_last_call(
    workspace: Workspace, bo: Caller, conversation: str
) -> None:
    set_viewing(bo, conversation)
    age_views(workspace.server, conversation, 25)
    assert viewers(bo, conversation) == ["bo"]
    set_viewing(bo, conversation)
    age_views(workspace.server, conversation, 25)
    assert viewers(bo, conversation) == ["bo"], "the second call began another 30 s"
    age_views(workspace.server, conversation, 5.1)
    assert viewers(bo, conversation) == []


def test_viewers_are_hidden_from_customers_and_api_keys(
    workspace: Workspace, bo: Caller, conversation: str
) -> None:
    started = workspace.start()
    own = started["conversation"]["id"]
    set_viewing(bo, own)
    customer = workspace.widget(started)
    assert viewers(customer, own) == []
    assert workspace.key.refusal(VIEWERS, id=own).code == "FORBIDDEN"
    for caller in (workspace.key, customer):
        assert caller.refusal(SET, id=own, viewing=True).code == "FORBIDDEN"
    assert viewers(bo, own) == ["bo"]


def test_foreign_conversation_is_not_found(bo: Caller, other: Workspace) -> None:
    foreign = other.start()["conversation"]["id"]
    assert bo.refusal(SET, id=foreign, viewing=True).code == "NOT_FOUND"
    assert viewers(other.sign_in(), foreign) == []


def test_removed_member_views_nothing(workspace: Workspace, bo: Caller, conversation: str) -> None:
    set_viewing(bo, conversation)
    member = bo.ask(ME)["viewer"]["member"]["id"]
    workspace.key.ask("mutation($id: ID!) { removeMember(id: $id) }", id=member)
    assert viewers(workspace.sign_in(), conversation) == []


def test_page_of_conversations_reads_all_viewers_together(
    workspace: Workspace, bo: Caller, cy: Caller
) -> None:
    talks = [workspace.start()["conversation"]["id"] for _ in range(3)]
    set_viewing(bo, talks[0])
    set_viewing(bo, talks[2])
    set_viewing(cy, talks[2])
    nodes = bo.ask("{ conversations { nodes { id viewers { name } } } }")["conversations"]["nodes"]
    names = {node["id"]: [member["name"] for member in node["viewers"]] for node in nodes}
    assert names == {talks[0]: ["bo"], talks[1]: [], talks[2]: ["bo", "cy"]}


def _admitted(caller: Caller, conversation: str) -> bool:
    return "errors" not in caller.post(SET, {"id": conversation, "viewing": True})


def test_views_of_a_member_are_bounded_and_the_oldest_are_dropped(workspace: Workspace, bo: Caller) -> None:
    talks = [workspace.start()["conversation"]["id"] for _ in range(VIEWINGS_OF_MEMBER + 3)]
    for number, talk in enumerate(talks):
        wait_for(partial(_admitted, bo, talk), "the rate limit")
        age_views(workspace.server, talk, 1 - number / 100)
    key = parse_id(MEMBER, bo.ask(ME)["viewer"]["member"]["id"])
    rows = workspace.server.rows("SELECT conversation_id FROM viewings WHERE member_id = $1", key)
    assert {row["conversation_id"] for row in rows} == {
        parse_id(CONVERSATION, talk) for talk in talks[-VIEWINGS_OF_MEMBER:]
    }


def test_calls_beyond_the_rate_are_refused_and_change_nothing(bo: Caller, conversation: str) -> None:
    answers = [bo.post(SET, {"id": conversation, "viewing": True}) for _ in range(60)]
    codes = {error["extensions"]["code"] for answer in answers for error in answer.get("errors", ())}
    assert codes <= {"RATE_LIMITED"}
    assert viewers(bo, conversation) == ["bo"]


async def run(function: Any, *arguments: Any, **more: Any) -> Any:
    return await asyncio.to_thread(function, *arguments, **more)


async def next_event(socket: Socket, changes: str, seconds: float = 30) -> dict[str, Any]:
    """Return the next event of typing or viewing."""
    while True:
        event: dict[str, Any] = (await socket.next(changes, seconds))["conversationUpdated"]
        if event["kind"].startswith(("typing", "viewing")):
            return event


async def next_change(socket: Socket, changes: str, seconds: float = 30) -> tuple[str, str | None]:
    """Return kind and member of the next event of typing or viewing."""
    event = await next_event(socket, changes, seconds)
    return event["kind"], (event["member"] or {}).get("name")


async def follow(socket: Socket, workspace: Workspace, conversation: str, query: str = CHANGES) -> str:
    """Subscribe, and wait for an event: signals before it would be lost."""
    read = "query($id: ID!) { conversation(id: $id) { cursor } }"
    cursor = (await run(workspace.key.ask, read, id=conversation))["conversation"]["cursor"]
    await run(workspace.key.ask, PAUSE, id=conversation)
    changes = await socket.subscribe(query, id=conversation, after=cursor)
    assert (await socket.next(changes))["conversationUpdated"]["kind"] == "ai_paused"
    return changes


async def test_subscribers_learn_of_a_view_and_of_its_end(
    workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    async with cy.socket() as socket:
        changes = await follow(socket, workspace, conversation)
        read = "query($id: ID!) { conversation(id: $id) { cursor } }"
        head = (await run(workspace.key.ask, read, id=conversation))["conversation"]["cursor"]
        await run(set_viewing, bo, conversation)
        begun = await next_event(socket, changes)
        assert (begun["kind"], begun["member"], begun["typing"]) == ("viewing_started", {"name": "bo"}, None)
        assert begun["cursor"] == head, "a signal has no place in the log"
        await run(set_viewing, bo, conversation, viewing=False)
        assert await next_change(socket, changes) == ("viewing_stopped", "bo")


async def test_repeated_view_is_no_event(
    workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    async with cy.socket() as socket:
        changes = await follow(socket, workspace, conversation)
        for _ in range(3):
            await run(set_viewing, bo, conversation)
        assert await next_change(socket, changes) == ("viewing_started", "bo")
        await run(set_viewing, cy, conversation)
        assert await next_change(socket, changes) == ("viewing_started", "cy")


async def test_view_that_is_not_repeated_ends(
    workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    async with cy.socket() as socket:
        changes = await follow(socket, workspace, conversation)
        await run(set_viewing, bo, conversation)
        assert await next_change(socket, changes) == ("viewing_started", "bo")
        await run(age_views, workspace.server, conversation, 30)
        assert await next_change(socket, changes) == ("viewing_stopped", "bo")


async def test_end_of_a_view_from_before_the_subscription_is_an_event(
    workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    # The page read the viewers, and the view ended before it subscribed.
    await run(set_viewing, bo, conversation)
    await run(age_views, workspace.server, conversation, 30)
    async with cy.socket() as socket:
        changes = await socket.subscribe(CHANGES, id=conversation)
        assert await next_change(socket, changes) == ("viewing_stopped", "bo")


@pytest.mark.parametrize("kind", ["customer", "API key"])
async def test_customer_and_api_key_receive_no_viewing(workspace: Workspace, bo: Caller, kind: str) -> None:
    started = workspace.start()
    own = started["conversation"]["id"]
    caller = workspace.widget(started) if kind == "customer" else workspace.key
    async with caller.socket() as socket, bo.socket() as team:
        changes = await follow(socket, workspace, own)
        async with all_begun(workspace.server, 1, besides=1):
            watched = await team.subscribe(CHANGES, id=own)
        await run(set_viewing, bo, own)
        assert await next_change(team, watched) == ("viewing_started", "bo")
        await run(set_viewing, bo, own, viewing=False)
        assert await next_change(team, watched) == ("viewing_stopped", "bo")
        await run(bo.ask, TYPING, id=own)
        assert await next_change(socket, changes) == ("typing_started", "bo")


async def test_customer_sees_only_the_name_of_who_types(workspace: Workspace, bo: Caller) -> None:
    started = workspace.start()
    query = CHANGES.replace("member { name }", "member { id name email }")
    async with workspace.widget(started).socket() as socket:
        changes = await follow(socket, workspace, started["conversation"]["id"], query)
        await run(bo.ask, TYPING, id=started["conversation"]["id"])
        event = await next_event(socket, changes)
        assert (event["kind"], event["typing"]) == ("typing_started", "HUMAN")
        assert (event["member"]["name"], event["member"]["email"]) == ("bo", None)


@pytest.fixture
def second(server: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Another process of the same service."""
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log = Path(server.data_dir) / f"second-{request.node.name[:40]}.log"
    running.start()
    yield running
    running.stop()


async def test_two_processes_agree(
    second: Server, workspace: Workspace, bo: Caller, cy: Caller, conversation: str
) -> None:
    there = Caller(second.url, cy.token)
    async with there.socket() as socket:
        changes = await follow(socket, workspace, conversation)
        await run(set_viewing, bo, conversation)
        assert await run(viewers, there, conversation) == ["bo"]
        assert await next_change(socket, changes, 5) == ("viewing_started", "bo")
        await run(set_viewing, Caller(second.url, bo.token), conversation, viewing=False)
        assert await run(viewers, cy, conversation) == []
        assert await next_change(socket, changes, 5) == ("viewing_stopped", "bo")
