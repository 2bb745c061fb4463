"""Inputs that are wrong get BAD_USER_INPUT with the field's path, and change nothing."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import get_nullable_type, is_required_input_field

from tests.support.baton_client import Refused, Server
from tests.support.seeded_workspace import ROOTS, Place, fingerprint, leaves, seeded_place
from tests.support.server_log import written_log

ASKING = [name for name, (_, field) in ROOTS.items() if field.args]

NOTE = "note_01h455vb4pex5vsknk084sn02q"
NOBODY = "conv_01h455vb4pex5vsknk084sn02q"
BAD: dict[str, list[Any]] = {
    "ID": ["", "nonsense", NOTE, NOBODY.upper(), NOBODY + "\0"],
    "String": ["a\0b", 7, ["a"]],
    "Int": ["7", 1.5, 2**31],
    "Float": ["7", True],
    "Boolean": ["yes", 1],
    "DateTime": ["", "yesterday", "2026-01-31T09:30:00", "2026-02-30T09:30:00Z", 1_700_000_000],
    "Date": ["", "yesterday", "2026-02-30", 20_260_101],
    "JSON": ["words", ["a"], 7, {"a": "\0"}, {"a\0": 1}],
}
# A password that is presented is compared, not kept: whatever it holds, it is only not the right one.
# The language of a page is ignored where it is no language tag.
ANYTHING_GOES = {
    ("signIn", "password"),
    ("signIn", "code"),
    ("enrolSecondFactor", "password"),
    ("removeSecondFactor", "password"),
    ("removeSecondFactor", "code"),
    ("openConversation", "input.identity"),
    ("openConversation", "input.language"),
    ("widget", "language"),
    ("identifyCustomer", "identity"),
}


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    """Made once: nothing in this module changes it."""
    with seeded_place(server) as made:
        yield made


@pytest.fixture(autouse=True)
def _unharmed(place: Place, server: Server) -> Iterator[None]:
    logged = server.log.stat().st_size
    yield
    before, place.fingerprint = place.fingerprint, fingerprint(place.workspace)
    assert place.fingerprint == before
    assert place.client.get("/readyz").status_code == 200
    assert "request.failed" not in written_log(server, logged)


def test_inputs_and_rows_for_the_cases_exist(place: Place) -> None:
    assert len(ASKING) >= 30
    assert {item["name"]: item["count"] for item in place.fingerprint}["messages"] == 2


@pytest.mark.parametrize("root", ASKING)
def test_every_single_value_is_checked(place: Place, root: str) -> None:
    for path, type_ in leaves(ROOTS[root][1].args):
        for value in BAD.get(type_.name, ["NONSENSE"]):
            if value == "a\0b" and (root, path) in ANYTHING_GOES:
                continue
            refused = place.refusal(root, {path: value})
            assert (refused.code, refused.field) == ("BAD_USER_INPUT", path), (path, value, refused)
            name = path.removesuffix(".0").rpartition(".")[2]
            assert name in refused.errors[0]["message"], (path, value, refused)


@pytest.mark.parametrize("root", [name for name in ASKING if "input" in ROOTS[name][1].args])
def test_missing_and_unknown_names_are_reported(place: Place, root: str) -> None:
    input_: Any = get_nullable_type(ROOTS[root][1].args["input"].type)
    for name in [name for name, field in input_.fields.items() if is_required_input_field(field)]:
        refused = place.refusal(root, {f"input.{name}": None})
        assert (refused.code, refused.field) == ("BAD_USER_INPUT", f"input.{name}")
        given = {key: value for key, value in place.variables(root, {})["input"].items() if key != name}
        assert name in place.refusal(root, {"input": given}).errors[0]["message"]
    given = {**place.variables(root, {})["input"], "nonsense": 1}
    refused = place.refusal(root, {"input": given})
    assert refused.code == "BAD_USER_INPUT"
    assert "nonsense" in refused.errors[0]["message"]


LONG = "x" * 20_001
EMAILS = [
    *["", "jane", "@b", "a@", "a@b, c@d", "a@b c@d", "a@@b", "Jane <a@b>", "a@b\r\nBcc: c@d", "a\t@b"],
    *["a@b\u200b", f"{'a' * 251}@b.c"],
]
ASSISTANT = {"input.role": "ASSISTANT"}
DEEP = json.loads('{"a":' * 900 + "1" + "}" * 900)


@pytest.mark.parametrize(
    ("root", "path", "values"),
    [
        ("startConversation", "input.customer.externalId", ["", "x" * 201]),
        ("startConversation", "input.customer.email", EMAILS),
        ("startConversation", "input.customer.name", ["", " ", "x" * 201]),
        ("startConversation", "input.metadata", [DEEP, {"a": "x" * 32_769}, {"a": [0] * 32_769}]),
        ("startConversation", "input.idempotencyKey", ["", "x" * 201]),
        ("recordMessage", "input.content", ["", " \n\t\u3000", LONG]),
        ("recordMessage", "input.role", ["HUMAN", "SYSTEM"]),
        ("recordMessage", "input.confidence", [50]),  # a customer has none
        ("recordMessage", "input.epoch", [1]),
        ("recordMessage", "input.intents", [["an intent"] * 51]),
        ("recordMessage", "input.intents.0", ["", "x" * 201]),
        ("recordMessage", "input.metadata", [DEEP]),
        ("reportToolResult", "input.tool", ["", "x" * 201]),
        ("reportToolResult", "input.error", ["", "x" * 2_001]),
        ("submitForm", "input.form", ["", "x" * 201]),
        ("submitForm", "input.fields", [DEEP, {"a": LONG}]),
        ("requestHuman", "idempotencyKey", ["", "x" * 201]),
        ("escalateConversation", "input.reason", ["", " ", "x" * 2_001]),
        ("escalateConversation", "input.assignTo", [*EMAILS, "stranger@example.com"]),
        ("updateEscalation", "input.note", ["", " ", "x" * 2_001]),
        ("updateEscalation", "input.assignTo", [*EMAILS[1:], "stranger@example.com"]),
        ("replyToEscalation", "input.content", ["", " ", LONG]),
        ("replyToEscalation", "input.authorEmail", [*EMAILS, "stranger@example.com"]),
        ("sendHeldReply", "content", ["", " ", LONG]),
        ("createSavedReply", "input.shortcut", ["", " ", "x" * 41, "two words", "a\u200bb", "/hello"]),
        ("createSavedReply", "input.title", ["", "\u3164", "x" * 201]),
        ("createSavedReply", "input.content", ["", " \n", "x" * 5_001]),
        ("updateSavedReply", "input.shortcut", ["", "x" * 41, "tab\there"]),
        ("updateSavedReply", "input.title", ["", "x" * 201]),
        ("updateSavedReply", "input.content", ["", "x" * 5_001]),
        ("savedReplies", "search", ["x" * 201]),
        ("resolveEscalation", "input.note", ["", " ", "x" * 2_001]),
        ("createAgent", "name", ["", " ", "x" * 201]),
        ("signIn", "email", EMAILS),
        ("createMember", "input.email", EMAILS),
        ("createMember", "input.name", ["", " ", "x" * 201]),
        ("createMember", "input.password", ["", "1234567", "x" * 201]),
        ("updateMember", "name", ["", " ", "x" * 201]),
        ("changePassword", "new", ["", "1234567", "x" * 201]),
        ("changePassword", "current", ["not the password"]),
        ("acceptInvitation", "password", ["", "1234567", "x" * 201]),
        ("acceptInvitation", "token", ["no invitation"]),
        ("createApiKey", "input.name", ["", " ", "x" * 201]),
        ("createApiKey", "input.scopes", [[], ["INCOMING_WEBHOOK", "ADMIN"]]),
        *[(root, "first", [0, 101, -1]) for root in ("conversations", "escalations")],
        ("escalations", "last", [0, 101, -1]),
        *[(root, "after", ["", "AAAA", "é", "bnVsbA"]) for root in ("conversations", "escalations")],
        ("escalations", "before", ["", "AAAA", "é", "bnVsbA"]),
        ("escalations", "filter.search", ["", " ", "x" * 201]),
    ],
)
def test_invalid_value_is_refused(place: Place, root: str, path: str, values: list[Any]) -> None:
    for value in values:
        refused = place.refusal(root, {path: value})
        assert (refused.code, refused.field) == ("BAD_USER_INPUT", path), (value, refused)
        assert refused.errors[0]["message"].startswith(f"{path} "), refused


@pytest.mark.parametrize(
    ("root", "changes", "field"),
    [
        *[("recordMessage", ASSISTANT | {"input.confidence": c}, "input.confidence") for c in (-0.1, 100.1)],
        ("recordMessage", ASSISTANT | {"input.epoch": 3}, "input.epoch"),
        ("escalations", {"first": 1, "last": 1}, "last"),
        ("node", {"id": "nonsense_01h455vb4pex5vsknk084sn02q"}, "id"),
    ],
)
def test_values_that_do_not_go_together_are_refused(
    place: Place, root: str, changes: dict[str, Any], field: str
) -> None:
    refused = place.refusal(root, changes)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", field)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_invalid_time_is_refused(place: Place, time: str) -> None:
    refused = place.refusal("escalations", {"filter.createdFrom": time})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "filter.createdFrom")


@pytest.mark.parametrize("field", ["messages", "escalations"])
def test_pages_within_a_conversation_are_checked(place: Place, field: str) -> None:
    foreign = place.post("{ conversations { pageInfo { endCursor } } }").json()["data"]
    cursor = foreign["conversations"]["pageInfo"]["endCursor"]
    query = "query($id: ID!, $first: Int, $after: String) { conversation(id: $id) { %s"
    query += "(first: $first, after: $after) { nodes { id } } } }"
    given = {"id": place.ids["conversation"]}
    for name, value in [("first", 0), ("first", 101), ("first", -1), ("after", "AAAA"), ("after", cursor)]:
        refused = Refused(place.post(query % field, given | {name: value}).json()["errors"])
        assert (refused.code, refused.field) == ("BAD_USER_INPUT", name)


def test_cursor_is_valid_for_its_own_list_and_order_only(place: Place) -> None:
    orders = ["CREATED_DESC", "CREATED_ASC", "DUE_ASC", "PRIORITY_DESC"]
    query = "query($o: EscalationOrder!) { escalations(orderBy: $o) { pageInfo { endCursor } } }"
    pages = [place.post(query, {"o": order}).json()["data"]["escalations"]["pageInfo"] for order in orders]
    cursors = dict(zip(orders, [page["endCursor"] for page in pages], strict=True))
    cursors["conversations"] = place.post("{ conversations { pageInfo { endCursor } } }").json()["data"][
        "conversations"
    ]["pageInfo"]["endCursor"]
    for order in orders:
        for origin, cursor in cursors.items():
            for argument in ("after", "before") if origin != order else ():
                refused = place.refusal("escalations", {"orderBy": order, argument: cursor})
                assert (refused.code, refused.field) == ("BAD_USER_INPUT", argument), (order, origin)


START = 'mutation { startConversation(input: {agentId: "%s", metadata: %s}) { widgetToken } }'
REPLY = """mutation { recordMessage(input: {conversationId: "%s", role: ASSISTANT, content: "Hi",
    confidence: %s}) { message { id } } }"""


@pytest.mark.parametrize(
    "metadata", ['"words"', "[1]", "7", '{a: "\\u0000"}', "{a: 1e999}", "{a: %s}" % (10**400)]
)
def test_json_in_the_document_is_checked_too(place: Place, metadata: str) -> None:
    answer = place.post(START % (place.values["agentId"], metadata)).json()
    refused = Refused(answer["errors"])
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.metadata")


@pytest.mark.parametrize("number", ["-0.001", "100.001", "1e999", "-1e999"])
def test_confidence_in_the_document_is_checked_too(place: Place, number: str) -> None:
    refused = Refused(place.post(REPLY % (place.values["conversationId"], number)).json()["errors"])
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.confidence")


DOCUMENTS = {
    "NaN": (REPLY % (NOBODY, "NaN"), "BAD_USER_INPUT"),
    "lone surrogate": (START % (NOBODY, r'{a: "\ud800"}'), "BAD_USER_INPUT"),
    "no GraphQL": ("nonsense", "BAD_USER_INPUT"),
    "unknown field": ("{ nonsense }", "BAD_USER_INPUT"),
    "no selection": ("{ viewer }", "BAD_USER_INPUT"),
    "variable is missing": ("query($id: ID!) { node(id: $id) { id } }", "BAD_USER_INPUT"),
    "two operations": ("query A { viewer { kind } } query B { viewer { kind } }", "BAD_USER_INPUT"),
    "subscription": ("subscription { escalationCreated { kind } }", "BAD_USER_INPUT"),
    "deep braces": ("{" * 15_000, "BAD_USER_INPUT"),
    "deep fields": ("{ a" * 4_000 + "}" * 4_000, "BAD_USER_INPUT"),
    "deep lists": (START % (NOBODY, "[" * 8_000 + "]" * 8_000), "BAD_USER_INPUT"),
    "deep objects": (START % (NOBODY, "{a:" * 4_000 + "1" + "}" * 4_000), "BAD_USER_INPUT"),
    "deep types": (
        "query($a: " + "[" * 8_000 + "ID" + "]" * 8_000 + ") { agents { id } }",
        "BAD_USER_INPUT",
    ),
    "16,385 characters": ("{ agents { id } }" + " " * 16_368, "QUERY_TOO_COMPLEX"),
    "100,000 aliases": ("{" + " ".join(f"a{n:x}:id" for n in range(100_000)) + "}", "QUERY_TOO_COMPLEX"),
    "fragments in a circle": ("{ ...A } fragment A on Query { ...A }", "BAD_USER_INPUT"),
    "pages of less than nothing": (
        """{ a: conversations(first: -100000000) { nodes { id } }
             conversations(first: 100) { nodes { messages(first: 100) { nodes { id } }
             escalations(first: 100) { nodes { timeline(first: 100) { nodes { kind } } } } } } }""",
        "QUERY_TOO_COMPLEX",
    ),
    "1,001 tokens": ("{" + "a " * 999 + "}", "QUERY_TOO_COMPLEX"),
    "nested pages": (
        """{ conversations(first: 100) { nodes { messages(first: 100) { nodes { id } }
             escalations(first: 100) { nodes { timeline(first: 100) { nodes { kind } } } } } } }""",
        "QUERY_TOO_COMPLEX",
    ),
    "aliased pages": (
        "{"
        + " ".join(
            f"a{n}: conversations(first: 100) {{ nodes {{ messages {{ nodes {{ id }} }} }} }}"
            for n in range(20)
        )
        + "}",
        "QUERY_TOO_COMPLEX",
    ),
    "deeper than 15 fields": (
        "{ agents { id } conversations { nodes "
        + "{ activeEscalation { conversation " * 8
        + "{ id"
        + "}" * 19,
        "QUERY_TOO_COMPLEX",
    ),
}


@pytest.mark.parametrize(("document", "code"), DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize(
    ("accept", "status"), [("application/graphql-response+json", 400), ("application/json", 200)]
)
def test_invalid_document_is_refused_before_execution(
    place: Place, document: str, code: str, accept: str, status: int
) -> None:
    answer = place.post(document, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (status, accept)
    assert "data" not in answer.json()
    assert Refused(answer.json()["errors"]).code == code
    assert all(error["message"] for error in answer.json()["errors"])


def body(variables: str = "{}", query: str = "{ viewer { kind } }", more: str = "") -> bytes:
    return f'{{"query": "{query}", "variables": {variables}{more}}}'.encode()


BODIES = {
    "empty": (b"", 400),
    "not JSON": (b"query=nonsense", 400),
    "a list": (b"[" + body() + b"]", 400),
    "a string": (b'"{ viewer { kind } }"', 400),
    "not UTF-8": (b'{"query": "\xff"}', 400),
    "no query": (b"{}", 400),
    "a query that is none": (body(query=" "), 400),
    "a query that is no text": (b'{"query": 3}', 400),
    "variables that are a list": (body("[]"), 400),
    "an operation's name that is no text": (body(more=', "operationName": 3'), 400),
    "an unknown operation": (body(more=', "operationName": "Nonsense"'), 400),
    "a lone surrogate": (body(r'{"a": "\ud800"}'), 400),
    "half a pair": (body(r'{"a": "\udc00\ud800"}'), 400),
    "NaN": (body('{"a": NaN}'), 400),
    "Infinity": (body('{"a": -Infinity}'), 400),
    "a number beyond all": (body('{"a": 1e999}'), 400),
    "JSON 20,000 deep": (body("[" * 20_000 + "]" * 20_000), 400),
    "objects 20,000 deep": (body('{"a":' * 20_000 + "1" + "}" * 20_000), 400),
    "over 1 MiB": (body(query=" " * (1 << 20)), 413),
}


@pytest.mark.parametrize(("content", "status"), BODIES.values(), ids=BODIES)
def test_unreadable_body_is_refused(place: Place, content: bytes, status: int) -> None:
    answer = place.client.post("/graphql", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert "data" not in answer.json()
    refused = Refused(answer.json()["errors"])
    assert (refused.code, bool(refused.errors[0]["message"])) == ("BAD_USER_INPUT", True)


def test_metadata_900_deep_comes_through_the_door_and_no_further(place: Place) -> None:
    assert place.refusal("startConversation", {"input.metadata": DEEP}).field == "input.metadata"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_body_of_another_content_type_is_415(place: Place, kind: str) -> None:
    answer = place.client.post("/graphql", content=body(), headers={"content-type": kind})
    assert (answer.status_code, Refused(answer.json()["errors"]).code) == (415, "BAD_USER_INPUT")


def test_browser_gets_text_and_a_client_gets_json(place: Place) -> None:
    page = place.client.get("/graphql", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (404, "text/plain")
    refused = place.client.get("/graphql")
    assert (refused.status_code, Refused(refused.json()["errors"]).code) == (400, "BAD_USER_INPUT")
