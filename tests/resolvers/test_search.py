"""Searches: what a word finds, what the index keeps, and callers that may not search."""

from typing import Any

import asyncpg
import pytest

from models.database import Database
from models.row_scope import EVERY_WORKSPACE
from models.search_entry import SearchSource
from realtime.search_index import fill_search_index, step_statement
from rules.typeid import CONVERSATION, MESSAGE, parse_id
from tests.support.baton_client import Caller, Server, Workspace

CONVERSATIONS = """query($filter: ConversationFilter, $first: Int, $after: String) {
    conversations(filter: $filter, first: $first, after: $after) {
        totalCount nodes { id } pageInfo { endCursor hasNextPage } } }"""
ESCALATIONS = "query($filter: EscalationFilter) { escalations(filter: $filter) { nodes { id } } }"
ERASE = "mutation($email: String) { eraseCustomer(email: $email) { conversations } }"


@pytest.fixture(scope="module")
def workspace(server: Server) -> Workspace:
    return server.new_workspace()


def said(workspace: Workspace, *messages: str, **customer: str) -> str:
    """Start a conversation with these messages and return its id."""
    conversation = str(workspace.start(customer=customer)["conversation"]["id"])
    for content in messages:
        workspace.key.record(conversation, "USER", content)
    return conversation


def found_by(caller: Caller, search: str) -> set[str]:
    page = caller.ask(CONVERSATIONS, filter={"search": search})["conversations"]
    assert page["totalCount"] == len(page["nodes"])
    return {node["id"] for node in page["nodes"]}


@pytest.mark.parametrize(
    ("content", "finding", "missing"),
    [
        (
            "The shipment is Überfällig",
            ["ship", "ÜBERFÄLLIG", "is über", "Shipment?"],
            ["hipment", "shipments"],
        ),
        ("order 4711-ab, of 2024-05-03", ["4711", "4711-ab", "471", "2024-05"], ["711", "4711-x"]),
        ("it's at https://shop.example/cart", ["it's", "shop.exam", "cart", "https"], ["xample"]),
        (
            "返金の手続きについて教えてください",
            ["返金", "返", "手続き", "手続きについて", "い"],
            ["返手", "金返"],
        ),
        ("我想退款，谢谢", ["退款", "想退款", "谢谢", "款"], ["款退", "款谢"]),
        ("ฉันต้องการเงินคืน", ["เงินคืน", "คืน", "ต้องการ"], ["คืนเงิน"]),
        ("iPhone15の返品", ["iphone", "iPhone15の返品", "返品"], ["hone15"]),
        ("환불해 주세요", ["환불", "주세요", "환불해"], ["불해"]),  # Korean has spaces
        ("thanks👍 for €100", ["👍", "€100", "€", "thanks"], ["👎"]),
        ("ＦＵＬＬ width ﬁne", ["full", "fine", "Ｆull"], ["ull"]),
    ],
)
def test_search_finds_beginnings_of_words_and_signs_anywhere(
    workspace: Workspace, content: str, finding: list[str], missing: list[str]
) -> None:
    conversation = said(workspace, content)
    assert [word for word in finding if conversation not in found_by(workspace.key, word)] == []
    assert [word for word in missing if conversation in found_by(workspace.key, word)] == []


def test_search_of_a_word_without_spaces_and_end_is_cut_on_both_sides(workspace: Workspace) -> None:
    word = "".join(chr(ord("a") + place % 26) for place in range(3_000))
    conversation = said(workspace, word, "ä" * 19_000 + "! " + "款" * 500)
    assert found_by(workspace.key, word[:200]) == {conversation}
    assert found_by(workspace.key, "ä" * 200) == {conversation}
    assert found_by(workspace.key, word[1:60]) == set()


def test_words_of_a_search_may_be_in_different_places(workspace: Workspace) -> None:
    conversation = said(workspace, "My kettle leaks", "Since Tuesdayish", name="Zoë Kettleworth")
    said(workspace, "A kettle and nothing else")
    assert found_by(workspace.key, "leaks tuesdayish zoë") == {conversation}
    assert found_by(workspace.key, "leaks nowhere") == set()


def test_pages_of_a_search_continue_after_their_cursor(workspace: Workspace) -> None:
    every = [said(workspace, f"marmalade number {number}") for number in range(5)]
    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        given: dict[str, Any] = {"filter": {"search": "marmal"}, "first": 2, "after": after}
        page = workspace.key.ask(CONVERSATIONS, **given)["conversations"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert seen == every[::-1]
    assert not page["pageInfo"]["hasNextPage"]


def test_search_finds_nothing_of_another_workspace(workspace: Workspace, other: Workspace) -> None:
    said(workspace, "a secretive word")
    own = said(other, "another secretive word")
    assert found_by(other.key, "secretive") == {own}


def test_index_follows_a_customer_that_changes(workspace: Workspace) -> None:
    conversation = said(workspace, "Hello", name="Maidenname")
    update = """mutation($input: UpdateConversationInput!) {
        updateConversation(input: $input) { id } }"""
    given = {"conversationId": conversation, "customer": {"name": "Marriedname"}}
    workspace.key.ask(update, input=given)
    assert found_by(workspace.key, "marriedname") == {conversation}
    assert found_by(workspace.key, "maidenname") == set()


def test_index_follows_a_summary_that_changes(workspace: Workspace) -> None:
    conversation = said(workspace, "Hello")
    escalation = workspace.key.escalate(conversation, summary="about a teapot")["escalation"]["id"]

    def escalations(search: str) -> list[str]:
        nodes = workspace.key.ask(ESCALATIONS, filter={"search": search})["escalations"]["nodes"]
        return [node["id"] for node in nodes]

    assert escalations("teapot") == [escalation]
    assert found_by(workspace.key, "teapot") == set()  # the summary is the escalation's
    workspace.key.escalate(conversation, summary="about a samovar")
    assert escalations("samovar") == [escalation]
    assert escalations("teapot") == []


def test_erasure_leaves_no_word_in_the_index(workspace: Workspace) -> None:
    assert erased_entries(workspace) == []


def test_erasure_while_old_rows_are_added_leaves_entries_without_the_words(workspace: Workspace) -> None:
    server = workspace.server
    server.execute("INSERT INTO search_fills VALUES ('MESSAGE', gen_random_uuid())")
    try:
        # Entries that another transaction may be writing are waited for, not missed.
        assert {"MESSAGE", "CUSTOMER", "ESCALATION"} == set(erased_entries(workspace))
    finally:
        server.execute("DELETE FROM search_fills")


def erased_entries(workspace: Workspace) -> list[str]:
    """Erase a customer, check that no word is left, and return the sources of the remaining entries."""
    email = "erasable@vanishing.example"
    conversation = said(workspace, "My word is rhododendron", name="Vanishing Person", email=email)
    workspace.key.escalate(conversation, summary="rhododendron again")
    # The confirmation is a message, too.
    entries = "SELECT source, words::text FROM search_entries WHERE conversation_id = $1 ORDER BY source"
    key = parse_id(CONVERSATION, conversation)
    assert "rhododendron" in str(workspace.server.rows(entries, key))
    workspace.key.ask(ERASE, email=email)
    left = workspace.server.rows(entries, key)
    words = ("rhododendron", "vanishing", "erasable", "person")
    assert not [word for word in words if word in str(left)]
    assert found_by(workspace.key, "rhododendron") == set()
    return [row["source"] for row in left]


def test_deleted_rows_leave_no_entry(workspace: Workspace) -> None:
    server, conversation = workspace.server, said(workspace, "first", "second", name="Somebody")
    key = parse_id(CONVERSATION, conversation)
    for table in ("messages", "conversations"):
        column = "id" if table == "conversations" else "conversation_id"
        server.execute(f"DELETE FROM {table} WHERE {column} = $1", key)
        left = server.rows("SELECT source FROM search_entries WHERE conversation_id = $1", key)
        assert [row["source"] for row in left] == (["CUSTOMER"] if table == "messages" else [])


@pytest.mark.anyio
async def test_rows_that_are_older_than_the_index_are_added(workspace: Workspace) -> None:
    server = workspace.server
    conversation = said(workspace, "an oldfangled message", "[erased]", name="Oldfangled Name")
    escalation = workspace.key.escalate(conversation, "oldfangled reason")["escalation"]["id"]
    server.execute("DELETE FROM search_entries")
    assert found_by(workspace.key, "oldfangled") == set()
    for source in SearchSource:
        last = "ffffffff-ffff-ffff-ffff-ffffffffffff"
        server.execute("INSERT INTO search_fills VALUES ($1, $2::text::uuid)", source.value, last)
    newer = said(workspace, "a new and oldfangled message")
    database = Database(server.service_url, connections=1, scope=EVERY_WORKSPACE)
    try:
        await fill_search_index(database)
    finally:
        await database.close()
    assert found_by(workspace.key, "oldfangled") == {conversation, newer}
    nodes = workspace.key.ask(ESCALATIONS, filter={"search": "reason"})["escalations"]["nodes"]
    assert nodes == [{"id": escalation}]
    assert server.rows("SELECT * FROM search_fills") == []


@pytest.mark.anyio
@pytest.mark.parametrize("source", SearchSource)
async def test_batch_of_older_rows_begins_at_the_border(workspace: Workspace, source: SearchSource) -> None:
    connection = await asyncpg.connect(workspace.server.owner_url)
    try:
        await connection.execute("SET enable_seqscan = off; SET enable_sort = off")
        statement = step_statement(source).replace(":batch", "$1")
        plan = await connection.fetch(f"EXPLAIN {statement}", 500)
    finally:
        await connection.close()
    assert any("Index Cond: (id < (InitPlan" in row[0] for row in plan), plan


@pytest.mark.parametrize("field", ["search", "customerEmail", "customerExternalId"])
def test_key_that_reads_no_conversations_cannot_find_them_by_their_words(
    workspace: Workspace, field: str
) -> None:
    said(workspace, "hush", email="hush@example.com", externalId="hush")
    writer = workspace.key_with("CONVERSATIONS_WRITE")
    query = "query($filter: ConversationFilter) { conversations(filter: $filter) { totalCount } }"
    for word in ("hush", "nothing"):
        refused = writer.refusal(query, filter={"awaitingAi": True, field: word})
        assert refused.code == "FORBIDDEN"
        assert f"filter.{field}" in str(refused)
    assert writer.ask(query, filter={"awaitingAi": True})["conversations"]["totalCount"] > 0
    reader = workspace.key_with("CONVERSATIONS_READ")
    assert reader.ask(query, filter={field: "absent"})["conversations"]["totalCount"] == 0


def test_key_that_reads_escalations_only_cannot_search_messages(workspace: Workspace) -> None:
    conversation = said(workspace, "whispered")
    workspace.key.escalate(conversation)
    reader = workspace.key_with("ESCALATIONS_READ")
    count = "query($filter: EscalationFilter) { escalations(filter: $filter) { totalCount } }"
    for word in ("whispered", "nothing", conversation):
        assert reader.refusal(count, filter={"search": word}).code == "FORBIDDEN"
    both = workspace.key_with("ESCALATIONS_READ", "CONVERSATIONS_READ")
    assert both.ask(count, filter={"search": "whispered"})["escalations"]["totalCount"] == 1


def test_search_by_an_id_needs_no_entry(workspace: Workspace) -> None:
    conversation = str(workspace.start()["conversation"]["id"])
    message = workspace.key.record(conversation, "USER", "…")["message"]["id"]
    assert parse_id(MESSAGE, message)
    assert found_by(workspace.key, message) == found_by(workspace.key, conversation) == {conversation}
