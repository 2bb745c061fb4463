"""Lists: pages by keyset give each row once, and filters choose."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from rules.typeid import CONVERSATION, ESCALATION, parse_id
from tests.support.baton_client import Caller, Server, Workspace


def listing(declared: str, field: str, passed: str, node: str, counted: bool = True) -> str:
    """Return the query for a list; a nested field is written with a dot."""
    *outer, inner = field.split(".")
    around = "".join(f"{item}(id: $id) {{ " for item in outer)
    return f"""query({declared}$first: Int, $after: String) {{ {around}
        {inner}({passed}first: $first, after: $after) {{ {"totalCount" if counted else ""}
            edges {{ cursor node {{ {node.split()[0]} }} }} nodes {{ {node} }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} {"}" * len(outer)} }}"""


BACKWARD, LAST = "$last: Int, $before: String, ", "last: $last, before: $before, "
ESCALATIONS = listing(
    f"$filter: EscalationFilter, $orderBy: EscalationOrder! = CREATED_DESC, {BACKWARD}",
    "escalations",
    f"filter: $filter, orderBy: $orderBy, {LAST}",
    "id createdAt priority sla { dueAt }",
)
CONVERSATIONS = listing("$filter: ConversationFilter, ", "conversations", "filter: $filter, ", "id", False)
MESSAGES = listing(f"$id: ID!, {BACKWARD}", "conversation.messages", LAST, "id position")
HISTORY = listing("$id: ID!, ", "conversation.escalations", "", "id")
TIMELINE = listing("$id: ID!, ", "escalation.timeline", "", "kind", False)
RANKS = ["LOW", "MEDIUM", "HIGH", "URGENT"]
ORDERS: dict[str, tuple[Callable[[dict[str, Any]], Any], bool]] = {
    "CREATED_DESC": (lambda node: (node["createdAt"], node["id"]), True),
    "CREATED_ASC": (lambda node: (node["createdAt"], node["id"]), False),
    "DUE_ASC": (lambda node: (node["sla"]["dueAt"], node["id"]), False),
    "PRIORITY_DESC": (lambda node: (RANKS.index(node["priority"]), node["createdAt"], node["id"]), True),
}

Connection = dict[str, Any]
Read = Callable[..., Connection]


def escalations(caller: Caller, **given: Any) -> Connection:
    result: Connection = caller.ask(ESCALATIONS, **given)["escalations"]
    return result


def conversations(caller: Caller, **given: Any) -> Connection:
    result: Connection = caller.ask(CONVERSATIONS, **given)["conversations"]
    return result


def within(caller: Caller, query: str, id_: str, **given: Any) -> Connection:
    """Return a list of a conversation or of an escalation."""
    (owner,) = caller.ask(query, id=id_, **given).values()
    (result,) = owner.values()
    return dict(result)


def walk(read: Read, size: int, *, backward: bool = False) -> Iterator[list[dict[str, Any]]]:
    """Yield all pages, as a client reads them."""
    count, place = ("last", "before") if backward else ("first", "after")
    more, behind = ("hasPreviousPage", "hasNextPage") if backward else ("hasNextPage", "hasPreviousPage")
    cursor: dict[str, str] = {}
    turned = False
    while True:
        page = read(**{count: size}, **cursor)
        info, edges = page["pageInfo"], page["edges"]
        assert [edge["node"].items() <= node.items() for edge, node in zip(edges, page["nodes"], strict=True)]
        assert (info["startCursor"], info["endCursor"]) == (edges[0]["cursor"], edges[-1]["cursor"])
        assert info[behind] is turned
        yield page["nodes"]
        if not info[more]:
            return
        assert len(edges) == size
        cursor, turned = {place: info["startCursor" if backward else "endCursor"]}, True


def whole(read: Read, size: int, *, backward: bool = False) -> list[dict[str, Any]]:
    """All rows, in the list's order."""
    pages = list(walk(read, size, backward=backward))
    return [node for page in (reversed(pages) if backward else pages) for node in page]


@dataclass(frozen=True)
class Raised:
    """A workspace with two AI agents and escalations of every kind."""

    workspace: Workspace
    agents: tuple[str, str]
    member_id: str
    names: dict[str, str]

    def named(self, **filter_: Any) -> set[str]:
        """Return the names of the escalations that a filter selects."""
        result = escalations(self.workspace.key, filter=filter_, first=100)
        assert result["totalCount"] == len(result["nodes"])
        return {self.names[node["id"]] for node in result["nodes"]}


def raise_one(workspace: Workspace, agent_id: str, reason: str = "why", **more: Any) -> str:
    conversation = workspace.key.start(agent_id)["conversation"]["id"]
    return str(workspace.key.escalate(conversation, reason, **more)["escalation"]["id"])


def new_agent(workspace: Workspace) -> str:
    return str(workspace.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"])


@pytest.fixture(scope="module")
def raised(server: Server) -> Raised:
    workspace = server.new_workspace()
    key, agents = workspace.key, (new_agent(workspace), new_agent(workspace))
    (member,) = key.ask("{ members { id } }")["members"]
    names = {}

    def begin(topic: str, agent_id: str, /, **customer: str) -> str:
        conversation = key.start(agent_id, customer=customer)["conversation"]["id"]
        key.record(conversation, "USER", f"Hello, this is about the {topic}")
        return str(conversation)

    parcel = begin("parcel", agents[0], name="Jane Doe", email="Jane@Shop.example")
    names[key.escalate(parcel, "100% lost, file_1", priority="LOW")["escalation"]["id"]] = "parcel"
    invoice = begin("invoice", agents[0], name="John Roe", email="john@shop.example")
    names[key.escalate(invoice, "100 lost", assignTo=workspace.email)["escalation"]["id"]] = "invoice"
    refund = begin("refund", agents[1], name="Ann_e", email="ann@home.example")
    asked = key.record(refund, "USER", "let me talk to a human, file-1 is LOST")["escalation"]["id"]
    names[asked] = "refund"
    key.reply(asked, "Which one?", authorEmail=workspace.email)
    card = begin("card", agents[1])
    names[key.escalate(card, "back\\slash", priority="URGENT")["escalation"]["id"]] = "card"
    key.resolve(next(reversed(names)))
    begin("nothing at all", agents[1])
    return Raised(workspace, agents, member["id"], names)


# ---- pages


@pytest.fixture(scope="module")
def many(raised: Raised) -> str:
    """An AI agent with eleven escalations, some of the same instant, due time and priority."""
    workspace = raised.workspace
    agent_id = new_agent(workspace)
    made = [raise_one(workspace, agent_id, priority=RANKS[n % 3]) for n in range(11)]
    workspace.server.execute(
        """UPDATE escalations SET created_at = now() - interval '1 day', sla_due_at = now() - interval '1 day'
           WHERE id = ANY($1)""",
        [parse_id(ESCALATION, item) for item in made[3:8]],
    )
    return agent_id


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_escalations_give_each_row_once(
    raised: Raised, many: str, order: str, backward: bool
) -> None:
    key, descending = ORDERS[order]
    read = partial(escalations, raised.workspace.key, filter={"agentId": many}, orderBy=order)
    rows = read(first=100)["nodes"]
    assert rows == sorted(rows, key=key, reverse=descending)
    assert len({row["createdAt"] for row in rows}) < len(rows) == read(first=1)["totalCount"]
    for size in (3, len(rows)):
        assert whole(read, size, backward=backward) == rows


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("order", ORDERS)
def test_pages_of_escalations_give_each_row_once_during_writes(
    raised: Raised, order: str, backward: bool
) -> None:
    agent_id = new_agent(raised.workspace)
    add = partial(raise_one, raised.workspace, agent_id)
    before = {add(priority=priority) for priority in ("HIGH", "LOW", "MEDIUM", "LOW")}
    read = partial(escalations, raised.workspace.key, filter={"agentId": agent_id}, orderBy=order)
    added: set[str] = set()
    seen: list[str] = []
    for page in walk(read, 2, backward=backward):
        seen += [item["id"] for item in page]
        if len(added) < 2:
            added.add(add(priority="MEDIUM"))
    assert len(seen) == len(set(seen))
    assert before <= set(seen) <= before | added
    # Those that come to stand beyond the cursor are met on the way.
    if (order, backward) in {("CREATED_ASC", False), ("CREATED_DESC", True)}:
        assert set(seen) == before | added


def test_page_may_lie_between_two_cursors(raised: Raised, many: str) -> None:
    read = partial(escalations, raised.workspace.key, filter={"agentId": many})
    edges = read(first=100)["edges"]
    between = [edge["node"]["id"] for edge in edges[2:6]]
    both = {"after": edges[1]["cursor"], "before": edges[6]["cursor"]}
    assert [node["id"] for node in read(first=10, **both)["nodes"]] == between
    assert [node["id"] for node in read(last=3, **both)["nodes"]] == between[1:]


def test_empty_page_has_no_cursors(raised: Raised) -> None:
    result = escalations(raised.workspace.key, filter={"agentId": new_agent(raised.workspace)})
    nothing = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    assert (result["nodes"], result["totalCount"], result["pageInfo"]) == ([], 0, nothing)


@pytest.fixture(scope="module")
def talked(raised: Raised) -> dict[str, Any]:
    """A conversation of 120 messages, every tenth of which is a draft that was held."""
    started = raised.workspace.start()
    raised.workspace.server.execute(
        """WITH counted AS (UPDATE conversations SET messages = 120 WHERE id = $1)
           INSERT INTO messages (id, conversation_id, position, role, status, content, intents, created_at)
           SELECT gen_random_uuid(), $1, n, 'ASSISTANT',
                  CASE WHEN n % 10 = 0 THEN 'HELD' ELSE 'DELIVERED' END, n::text, '{}', now()
           FROM generate_series(1, 120) AS n""",
        parse_id(CONVERSATION, started["conversation"]["id"]),
    )
    return started


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_pages_of_messages_give_each_row_once(raised: Raised, talked: dict[str, Any], backward: bool) -> None:
    id_ = talked["conversation"]["id"]
    for caller, seen in [
        (raised.workspace.key, list(range(1, 121))),
        (raised.workspace.widget(talked), [n for n in range(1, 121) if n % 10]),
    ]:
        read = partial(within, caller, MESSAGES, id_)
        for size in (60, 100):
            assert [item["position"] for item in whole(read, size, backward=backward)] == seen
        assert read(first=1)["totalCount"] == len(seen)
        assert [node["position"] for node in read()["nodes"]] == seen[:50]
        assert [node["position"] for node in read(last=2)["nodes"]] == seen[-2:]


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_pages_of_messages_give_each_row_once_during_writes(raised: Raised, backward: bool) -> None:
    key, conversation = raised.workspace.key, raised.workspace.start()["conversation"]["id"]
    for n in range(4):
        key.record(conversation, "USER", f"{n}")
    seen: list[int] = []
    for page in walk(partial(within, key, MESSAGES, conversation), 2, backward=backward):
        seen += [item["position"] for item in page]
        if len(seen) < 6:
            key.record(conversation, "USER", "one more")
    assert sorted(seen) == ([1, 2, 3, 4] if backward else [1, 2, 3, 4, 5, 6])


def test_pages_of_conversations_give_each_row_once(raised: Raised) -> None:
    workspace, agent_id = raised.workspace, new_agent(raised.workspace)
    made = [workspace.key.start(agent_id)["conversation"]["id"] for _ in range(5)]
    read = partial(conversations, workspace.key, filter={"agentId": agent_id})
    for size in (2, 5):
        assert [item["id"] for item in whole(read, size)] == made[::-1]
    seen: list[str] = []
    for page in walk(read, 2):
        seen += [item["id"] for item in page]
        workspace.key.start(agent_id)
    assert seen == made[::-1]


def test_pages_within_a_conversation_give_each_row_once(raised: Raised) -> None:
    key, conversation = raised.workspace.key, raised.workspace.start()["conversation"]["id"]
    made = []
    for _ in range(3):
        made.append(key.escalate(conversation)["escalation"]["id"])
        key.resolve(made[-1])
    history = partial(within, key, HISTORY, conversation)
    assert [item["id"] for item in whole(history, 2)] == made[::-1]
    assert history(first=1)["totalCount"] == 3
    timeline = whole(partial(within, key, TIMELINE, made[0]), 3)
    assert [item["kind"] for item in timeline] == ["created", "ai_paused", "resolved", "ai_resumed"]


# ---- filters


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({}, "parcel invoice refund card"),
        ({"status": ["OPEN"]}, "parcel invoice"),
        ({"status": ["IN_PROGRESS", "RESOLVED"]}, "refund card"),
        ({"status": []}, ""),
        ({"priority": ["LOW", "URGENT"]}, "parcel card"),
        ({"priority": []}, ""),
        ({"trigger": ["PHRASE"]}, "refund"),
        ({"trigger": ["API", "BUTTON"]}, "parcel invoice card"),
        ({"slaStatus": ["ON_TRACK"]}, "parcel invoice refund card"),
        ({"slaStatus": ["AT_RISK", "BREACHED"]}, ""),
        ({"slaStatus": []}, ""),
        ({"unassigned": True}, "parcel card"),
        ({"unassigned": False}, "invoice refund"),
        ({"status": ["OPEN"], "unassigned": True}, "parcel"),
        ({"search": "parcel"}, "parcel"),  # in a message
        ({"search": "WHICH ONE"}, "refund"),  # in a reply
        ({"search": "lost"}, "parcel invoice refund"),  # in reasons and messages
        ({"search": "  lost \n 100 "}, "parcel invoice"),  # every word
        ({"search": "jane doe"}, "parcel"),  # the customer's name
        ({"search": "SHOP.example"}, "parcel invoice"),  # the email
        ({"search": "nowhere"}, ""),
        ({"search": "%"}, ""),  # no word
        ({"search": "100%"}, "parcel invoice"),
        ({"search": "file_1"}, "parcel refund"),
        ({"search": "ann_e"}, "refund"),
        ({"search": "\\"}, ""),
        ({"search": "back\\slash"}, "card"),
        ({"search": "lost - % refund"}, "refund"),
        ({"search": "'; DROP TABLE escalations; --"}, ""),
    ],
)
def test_filter_selects_its_rows(raised: Raised, chosen: dict[str, Any], names: str) -> None:
    here = set().union(*(raised.named(agentId=agent, **chosen) for agent in raised.agents))
    assert here == set(names.split())


def test_filter_selects_by_agent_and_assignee(raised: Raised) -> None:
    assert raised.named(agentId=raised.agents[0]) == {"parcel", "invoice"}
    assert raised.named(agentId=raised.agents[1]) == {"refund", "card"}
    assert raised.named(assigneeId=raised.member_id) == {"invoice", "refund"}
    assert raised.named(assigneeId=raised.member_id, unassigned=True) == set()


def test_filter_selects_by_time_of_creation(raised: Raised) -> None:
    result = [raised.workspace.key.escalation(name) for name in raised.names]
    _, invoice, refund, _ = (item["createdAt"] for item in result)

    def chosen(**times: str) -> set[str]:
        named = (raised.named(agentId=agent, **times) for agent in raised.agents)
        return set().union(*named)

    assert chosen(createdFrom=invoice) == {"invoice", "refund", "card"}
    assert chosen(createdTo=refund) == {"parcel", "invoice"}
    assert chosen(createdFrom=invoice, createdTo=refund) == {"invoice"}
    assert chosen(createdFrom=refund, createdTo=invoice) == set()
    east = datetime.fromisoformat(refund).astimezone().isoformat()
    later = (datetime.fromisoformat(refund) + timedelta(microseconds=1)).isoformat()
    assert chosen(createdFrom=east, createdTo=later) == {"refund"}


def test_list_is_of_the_own_workspace(raised: Raised, other: Workspace) -> None:
    for agent in (None, raised.agents[0]):
        chosen = {"agentId": agent} if agent else {}
        assert escalations(other.key, filter=chosen)["totalCount"] == 0
        assert conversations(other.key, filter=chosen)["nodes"] == []
    assert escalations(other.key, filter={"search": "lost"})["nodes"] == []
    assert escalations(other.key, filter={"assigneeId": raised.member_id})["nodes"] == []


def test_filter_selects_conversations(server: Server) -> None:
    workspace = server.new_workspace()
    key = workspace.key
    jane, john = ({"email": "Jane@Example.com"}, {"email": "john@example.com"})
    plain, asked, back, silenced = (workspace.start(customer=item) for item in (jane, john, jane, john))
    ids = [item["conversation"]["id"] for item in (plain, asked, back, silenced)]
    key.escalate(ids[1])
    key.resolve(key.escalate(ids[2])["escalation"]["id"])
    key.ask("mutation($id: ID!) { pauseAi(conversationId: $id) { conversation { id } } }", id=ids[3])

    def chosen(**filter_: Any) -> list[int]:
        return [ids.index(node["id"]) for node in conversations(key, filter=filter_)["nodes"]]

    assert chosen() == [3, 2, 1, 0]
    assert (chosen(aiState="ACTIVE"), chosen(aiState="PAUSED")) == ([2, 0], [3, 1])
    assert (chosen(escalated=True), chosen(escalated=False)) == ([2, 1], [3, 0])
    assert chosen(customerEmail="JANE@example.COM") == [2, 0]
    assert chosen(customerEmail="jane@example") == chosen(customerEmail="%") == []
    assert chosen(aiState="PAUSED", escalated=True, customerEmail="john@example.com") == [1]
    assert chosen(agentId=workspace.agent_id) == [3, 2, 1, 0]
