"""Documents that ask for far more than they weigh are refused soon, over HTTP and over WebSocket."""

import pytest
from graphql import get_introspection_query

from schema.documents import CACHE, CACHE_BYTES, load
from tests.support.baton_client import Caller, Server, Workspace, inexpensive
from tests.support.seeded_workspace import fingerprint

LONG_WORD = "# " + "x" * 16_000 + "\nquery($id: ID!) { agent(id: $id) { id } }"
INTROSPECTION = (
    "{ __schema { types {"
    + " ".join(
        f"a{n}: fields {{ name args {{ name }} type {{ name ofType {{ name }} }} }}" for n in range(40)
    )
    + "} } }"
)
DOUBLING = (
    "{ conversations { nodes { ...F0 } } }"
    + "".join(
        f"fragment F{n} on Conversation {{ a: agent {{ id }} x: activeEscalation {{ conversation {{"
        f" ...F{n + 1} }} }} y: activeEscalation {{ conversation {{ ...F{n + 1} }} }} }}"
        for n in range(4)
    )
    + "fragment F4 on Conversation { messages { nodes { id content } } }"
)
HOSTILE: dict[str, tuple[str, str]] = {
    "a comment of one long word": (LONG_WORD, "BAD_USER_INPUT"),
    "lines without end": ("\n" * 100_000 + "{ viewer { kind } }", "QUERY_TOO_COMPLEX"),
    "one megabyte": ("{ viewer { kind } } #" + "x" * 900_000, "QUERY_TOO_COMPLEX"),
    "errors in many lines": ("{" + "\n" * 4_900 + "x " * 900 + "}", "QUERY_TOO_COMPLEX"),
    "one field again and again": (
        "{ viewer { " + "workspace { id } " * 180 + "} }",
        "QUERY_TOO_COMPLEX",
    ),
    "aliases through fragments": (DOUBLING, "QUERY_TOO_COMPLEX"),
    "introspection under aliases": (INTROSPECTION, "QUERY_TOO_COMPLEX"),
}


@pytest.mark.parametrize(("document", "code"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_document_over_http_is_refused_soon_and_changes_nothing(
    workspace: Workspace, document: str, code: str
) -> None:
    before = fingerprint(workspace)
    with inexpensive(workspace.server):
        answer = workspace.key.post(document, {"id": 7.5})
    assert answer["errors"][0]["extensions"]["code"] == code
    assert "data" not in answer
    assert fingerprint(workspace) == before


IN_ONE_FRAME = {name: case for name, case in HOSTILE.items() if len(case[0]) < 60_000}


@pytest.mark.anyio
@pytest.mark.parametrize(("document", "code"), IN_ONE_FRAME.values(), ids=IN_ONE_FRAME)
async def test_hostile_document_over_a_socket_is_refused_soon(
    workspace: Workspace, document: str, code: str
) -> None:
    async with workspace.key.socket() as socket:
        with inexpensive(workspace.server):
            id_ = await socket.subscribe(document, id=7.5)
            while (message := await socket.receive(30)).get("id") != id_:
                pass
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == code


def test_wrong_variable_of_an_anonymous_caller_names_its_argument(server: Server) -> None:
    refused = Caller(server.url).refusal(LONG_WORD, id=7.5)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "id")


def test_wrong_value_within_a_variable_is_named_by_its_path(workspace: Workspace) -> None:
    refused = workspace.key.refusal(
        """mutation($given: RecordMessageInput!) { recordMessage(input: $given) { message { id } } }""",
        given={"conversationId": "x", "role": "USER", "content": "a", "intents": ["a", 7]},
    )
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.intents.1")


def test_schema_without_a_credential_is_not_shown(workspace: Workspace) -> None:
    anonymous = Caller(workspace.server.url)
    assert anonymous.refusal(get_introspection_query()).code == "UNAUTHENTICATED"
    assert anonymous.refusal(
        'query { ...F } fragment F on Query { __type(name: "Query") { name } }'
    ).code == ("UNAUTHENTICATED")
    assert anonymous.ask("{ __typename }") == {"__typename": "Query"}
    assert workspace.key.ask(get_introspection_query())["__schema"]["queryType"]["name"] == "Query"


def test_page_that_a_variable_makes_small_is_allowed(workspace: Workspace) -> None:
    document = """query($n: Int!) { conversations(first: $n) { nodes { id
        messages(first: $n) { nodes { id content role status position createdAt
          author { id name role } } }
        escalations(first: $n) { nodes { timeline(first: $n) { nodes { kind data occurredAt } } } } } } }"""
    assert workspace.key.ask(document, n=5) == {"conversations": {"nodes": []}}
    assert workspace.key.refusal(document, n=100).code == "QUERY_TOO_COMPLEX"


def test_reply_of_too_many_bytes_is_refused_to_a_customer_before_the_team(workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    for number in range(25):
        workspace.key.record(conversation, "USER", f"{number} " + "é" * 19_000)
    content = (
        "{ viewer { conversation { messages(first: 25) { nodes { a: content b: content c: content } } } } }"
    )
    customer = Caller(workspace.server.url, started["widgetToken"])
    before = fingerprint(workspace)
    answer = customer.post(content)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["QUERY_TOO_COMPLEX"]
    assert answer.get("data") is None
    assert len(str(answer)) < 1_000
    document = "query($id: ID!) { conversation(id: $id) { messages(first: 25) { nodes { %s } } } }"
    three, twelve = (" ".join(f"a{n}: content" for n in range(count)) for count in (3, 12))
    rows = workspace.key.ask(document % three, id=conversation)["conversation"]["messages"]["nodes"]
    assert len(rows) == 25
    assert workspace.key.refusal(document % twelve, id=conversation).code == "QUERY_TOO_COMPLEX"
    assert fingerprint(workspace) == before


def test_long_alias_counts_for_every_row(workspace: Workspace) -> None:
    started = workspace.start()
    for number in range(30):
        workspace.key.record(started["conversation"]["id"], "USER", f"{number}")
    fragment = "fragment F on Message { %s: id }" % ("a" * 15_000)
    document = "{ viewer { conversation { %s } } } " + fragment
    customer = Caller(workspace.server.url, started["widgetToken"])
    once, *others = (f"a{number}: messages(first: 100) {{ nodes {{ ...F }} }} " for number in range(5))
    rows = customer.ask(document % once)["viewer"]["conversation"]["a0"]["nodes"]
    assert len(rows) == 30
    assert customer.refusal(document % "".join([once, *others])).code == "QUERY_TOO_COMPLEX"


def test_mutation_with_too_large_a_reply_shows_what_it_has_done(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    fields = " ".join(f"a{number}: content" for number in range(240))
    small = """recordMessage(input: $small) { message { position } }"""
    answer = workspace.key.post(
        "mutation($small: RecordMessageInput!, $big: RecordMessageInput!) {"
        f" first: {small} big: recordMessage(input: $big) {{ message {{ {fields} }} }} last: {small} }}",
        {
            "small": {"conversationId": conversation, "role": "USER", "content": "small"},
            "big": {"conversationId": conversation, "role": "USER", "content": "é" * 19_000},
        },
    )
    assert answer["data"] == {"first": {"message": {"position": 1}}, "big": None, "last": None}
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["big"], "QUERY_TOO_COMPLEX"),
        (["last"], "QUERY_TOO_COMPLEX"),
    ]
    count = "query($id: ID!) { conversation(id: $id) { messages { totalCount } } }"
    assert workspace.key.ask(count, id=conversation)["conversation"]["messages"]["totalCount"] == 2


def test_failed_mutation_keeps_the_other_payloads(workspace: Workspace) -> None:
    conversation = workspace.start()["conversation"]["id"]
    document = """mutation($id: ID!) { first: pauseAi(conversationId: $id) { conversation { ai { state } } }
        wrong: pauseAi(conversationId: "conv_01h455vb4pex5vsknk084sn02q") { conversation { id } }
        last: resumeAi(conversationId: $id) { conversation { ai { state } } } }"""
    answer = workspace.key.post(document, {"id": conversation})
    assert answer["data"] == {
        "first": {"conversation": {"ai": {"state": "PAUSED"}}},
        "wrong": None,
        "last": {"conversation": {"ai": {"state": "ACTIVE"}}},
    }
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["wrong"], "NOT_FOUND")
    ]


def test_document_cache_is_bounded_by_bytes() -> None:
    for number in range(400):
        load(f"query Q{number} {{ " + " ".join(f"a{n}: __typename" for n in range(200)) + " }")
    assert 0 < CACHE.bytes <= CACHE_BYTES
    assert 10 < len(CACHE) < 400
    kept = load("query Q399 { " + " ".join(f"a{n}: __typename" for n in range(200)) + " }")
    assert load(kept.text) is kept
