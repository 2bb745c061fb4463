"""Saved replies: shortcuts, search, limits, and concurrent writers."""

import asyncio
from typing import Any

import pytest

from rules.saved_reply import REPLIES
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Caller, Workspace
from tests.support.locks import outcomes, send

REPLY = "fragment Reply on SavedReply { id shortcut title content updatedAt }"
LIST = "query($search: String) { savedReplies(search: $search) { ...Reply } }" + REPLY
CREATE = "mutation($input: SavedReplyInput!) { createSavedReply(input: $input) { ...Reply } }" + REPLY
UPDATE = (
    "mutation($id: ID!, $input: SavedReplyInput!) { updateSavedReply(id: $id, input: $input) { ...Reply } }"
    + REPLY
)
DELETE = "mutation($id: ID!) { deleteSavedReply(id: $id) }"
NODE = "query($id: ID!) { node(id: $id) { ...Reply } }" + REPLY
# Each pair looks equal, or differs only in case.
SAME = [("Refund", "rEFUND"), ("straße", "STRASSE"), ("ﬁx", "fix"), ("cafe\u0301", "café"), ("Ⅳ", "iv")]


@pytest.fixture
def bo(workspace: Workspace) -> Caller:
    return workspace.member("bo@example.com")


def given(shortcut: str, title: str = "A title", content: str = "Some content") -> dict[str, str]:
    return {"shortcut": shortcut, "title": title, "content": content}


def create(caller: Caller, shortcut: str, *texts: str) -> dict[str, Any]:
    result: dict[str, Any] = caller.ask(CREATE, input=given(shortcut, *texts))["createSavedReply"]
    return result


def shortcuts(caller: Caller, search: str | None = None) -> list[str]:
    return [reply["shortcut"] for reply in caller.ask(LIST, search=search)["savedReplies"]]


def test_created_reply_is_listed_and_is_a_node(bo: Caller) -> None:
    reply = create(bo, "Hello", "Greeting", "Hello {customer}, {member} here, for {agent}.")
    assert reply["id"].startswith("rpl_")
    assert bo.ask(LIST)["savedReplies"] == [reply]
    assert bo.ask(NODE, id=reply["id"])["node"] == reply


def test_updated_reply_has_its_new_texts_and_a_later_time(bo: Caller) -> None:
    reply = create(bo, "hello")
    changed = bo.ask(UPDATE, id=reply["id"], input=given("HELLO", "New", "Other"))["updateSavedReply"]
    assert (changed["shortcut"], changed["title"], changed["content"]) == ("HELLO", "New", "Other")
    assert changed["updatedAt"] > reply["updatedAt"]
    assert bo.ask(LIST, search="other")["savedReplies"] == [changed]
    assert shortcuts(bo, "content") == []


def test_deleted_reply_is_gone_and_its_shortcut_is_free(bo: Caller) -> None:
    reply = create(bo, "hello")
    assert bo.ask(DELETE, id=reply["id"]) == {"deleteSavedReply": True}
    assert bo.ask(NODE, id=reply["id"]) == {"node": None}
    assert bo.refusal(DELETE, id=reply["id"]).code == "NOT_FOUND"
    assert bo.refusal(UPDATE, id=reply["id"], input=given("hello")).code == "NOT_FOUND"
    assert create(bo, "hello")["id"] != reply["id"]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_shortcut_that_looks_the_same_is_a_conflict(bo: Caller, first: str, second: str) -> None:
    create(bo, first)
    other = create(bo, "other")
    assert bo.refusal(CREATE, input=given(second)).code == "CONFLICT"
    assert bo.refusal(UPDATE, id=other["id"], input=given(second)).code == "CONFLICT"
    assert sorted(shortcuts(bo)) == sorted([first, "other"])


def test_same_shortcut_in_another_workspace_is_free_and_unseen(
    workspace: Workspace, other: Workspace
) -> None:
    reply = create(workspace.key, "hello")
    create(other.key, "hello", "Foreign")
    assert workspace.key.ask(LIST)["savedReplies"] == [reply]


def test_replies_are_sorted_by_shortcut_in_any_case(bo: Caller) -> None:
    for shortcut in ("b", "C", "a", "B2"):
        create(bo, shortcut)
    assert shortcuts(bo) == ["a", "b", "B2", "C"]


def test_search_finds_words_in_any_field_case_and_width(bo: Caller) -> None:
    create(bo, "refund", "Money back", "You will have it in 5 days, straße or not.")
    create(bo, "hello", "Greeting", "Good day, ﬁrst of all. 100 % sure_about it\\.")
    for search, shown in [
        ("REFUND", ["refund"]),
        ("days money", ["refund"]),
        ("STRASSE", ["refund"]),
        ("first", ["hello"]),
        ("ＧＲＥＥＴＩＮＧ", ["hello"]),
        ("day", ["hello", "refund"]),
        ("  ", ["hello", "refund"]),
        ("100 %", ["hello"]),
        ("%", ["hello"]),
        ("e_a", ["hello"]),
        ("it\\", ["hello"]),
        ("good money", []),
        ("nothing", []),
    ]:
        assert shortcuts(bo, search) == shown, search


def test_search_treats_no_word_of_the_caller_as_a_pattern(bo: Caller) -> None:
    create(bo, "plain")
    for search in ("%", "_", "\\", "p%n", "pl_in", "'", '"; --'):
        assert shortcuts(bo, search) == [], search


def test_viewer_reads_the_replies_and_changes_none(workspace: Workspace) -> None:
    reply = create(workspace.key, "hello")
    viewer = workspace.member("vi@example.com", "VIEWER")
    assert shortcuts(viewer) == ["hello"]
    refusals = [
        viewer.refusal(CREATE, input=given("mine")),
        viewer.refusal(UPDATE, id=reply["id"], input=given("mine")),
        viewer.refusal(DELETE, id=reply["id"]),
    ]
    assert [refused.code for refused in refusals] == ["FORBIDDEN"] * 3
    assert workspace.key.ask(LIST)["savedReplies"] == [reply]


def _fill(workspace: Workspace, count: int) -> None:
    workspace.server.execute(
        """INSERT INTO saved_replies
            (id, workspace_id, shortcut, shortcut_key, title, content, search_text, updated_at)
        SELECT gen_random_uuid(), $1, 'r' || n, 'r' || n, 't', 'c', 't', now()
        FROM generate_series(1, $2::int) n""",
        parse_id(WORKSPACE, workspace.id),
        count,
    )


def test_reply_beyond_the_maximum_is_a_conflict(workspace: Workspace) -> None:
    _fill(workspace, REPLIES)
    assert workspace.key.refusal(CREATE, input=given("more")).code == "CONFLICT"
    replies = workspace.key.ask(LIST)["savedReplies"]
    assert len(replies) == REPLIES
    # Only a new reply adds to the number.
    workspace.key.ask(UPDATE, id=replies[0]["id"], input=given("renamed"))
    workspace.key.ask(DELETE, id=replies[0]["id"])
    create(workspace.key, "more")


@pytest.mark.anyio
async def test_concurrent_creation_of_one_shortcut_succeeds_once(workspace: Workspace) -> None:
    calls = [send(workspace.key.ask, CREATE, input=given(name)) for name in ("Hi", "hi", "HI", "hI")]
    results = await outcomes(*calls)
    assert sorted(str(result) == "CONFLICT" for result in results) == [False, True, True, True]
    assert len(await asyncio.to_thread(shortcuts, workspace.key)) == 1


@pytest.mark.anyio
async def test_concurrent_creation_stops_at_the_maximum(workspace: Workspace) -> None:
    await asyncio.to_thread(_fill, workspace, REPLIES - 2)
    results = await outcomes(*[send(workspace.key.ask, CREATE, input=given(f"n{n}")) for n in range(6)])
    assert [result for result in results if result == "CONFLICT"] == ["CONFLICT"] * 4
    assert len(await asyncio.to_thread(shortcuts, workspace.key)) == REPLIES
