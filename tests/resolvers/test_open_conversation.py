"""Conversations that pages start by themselves: which pages may, and how often."""

import dataclasses
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Caller, Server, Workspace
from tests.support.widget_pages import OPEN, ORIGIN, Page, allow, claims_of, new_address, rotate, signed
from tests.support.windows import longest_wait

WIDGET = """query($id: ID!, $language: String) { widget(agentId: $id, language: $language) {
    agentId buttonText buttonVisibility greeting online opensAt anonymousConversations } }"""
NOT_LISTED = [
    None,
    "null",
    "",
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://www.shop.example",
    "https://shop.example@evil.example",
    "https://evil.example/https://shop.example",
    "ftp://shop.example",
    "shop.example",
    "https://[",
]


def count_conversations(workspace: Workspace) -> int:
    query = "SELECT count(*) AS n FROM conversations WHERE workspace_id = $1"
    return int(workspace.server.rows(query, parse_id(WORKSPACE, workspace.id))[0]["n"])


@pytest.mark.parametrize("origin", [ORIGIN, "https://SHOP.example", "https://shop.example:443"])
def test_page_of_an_allowed_origin_starts_a_conversation(workspace: Workspace, origin: str) -> None:
    allow(workspace)
    said = {"externalId": "42", "email": "jo@example.com", "name": "Jo"}
    page = Page.of(workspace, origin)
    opened = page.open(customer=said, metadata={"cart": 3}, language="de-CH")
    conversation = opened["conversation"]
    assert conversation["customer"] == {**said, "verified": False}
    assert conversation["language"] == "de-CH"
    assert conversation["metadata"] is None  # not for customers
    seen = workspace.key.ask(
        "query($id: ID!) { conversation(id: $id) { metadata customer { verified } } }", id=conversation["id"]
    )["conversation"]
    assert seen == {"metadata": {"cart": 3}, "customer": {"verified": False}}
    customer = page.customer(opened)
    assert (
        customer.ask("{ viewer { conversation { id } } }")["viewer"]["conversation"]["id"]
        == conversation["id"]
    )
    assert customer.record(conversation["id"], "USER", "Hello?")["message"]["position"] == 1


@pytest.mark.parametrize("origin", NOT_LISTED)
def test_page_of_another_origin_is_refused_and_starts_nothing(
    workspace: Workspace, origin: str | None
) -> None:
    allow(workspace)
    page = Page.of(workspace, origin)
    for error in (page.refused(), page.refusal(WIDGET, id=page.agent_id).errors[0]):
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert "allowedOrigins" in error["message"]
        assert (origin or "Origin") in error["message"]
    assert count_conversations(workspace) == 0


@pytest.mark.parametrize(
    ("written", "meant"),
    [("de_AT", "de-AT"), ("en-US@posix", "en-US"), ("fr_CA.UTF-8", "fr-CA"), ("C", None), ("<b>", None)],
)
def test_page_whose_language_is_no_tag_can_be_used(
    workspace: Workspace, written: str, meant: str | None
) -> None:
    texts = [{"language": "de", "greeting": "Guten Tag!"}]
    allow(workspace, greeting="Hello", texts=texts)
    page = Page.of(workspace)
    shown = page.ask(WIDGET, id=page.agent_id, language=written)["widget"]
    assert shown["greeting"] == ("Guten Tag!" if meant == "de-AT" else "Hello")
    assert page.open(language=written)["conversation"]["language"] == meant


def test_own_team_reads_the_widget_from_any_page_but_opens_nothing(
    workspace: Workspace, other: Workspace
) -> None:
    page = Page.of(workspace, "https://baton.example")
    own, foreign = (
        dataclasses.replace(page, token=team.member("ada@example.com").token) for team in (workspace, other)
    )
    assert own.ask(WIDGET, id=page.agent_id)["widget"]["online"] is True
    for caller, document in ((foreign, WIDGET), (page, WIDGET)):
        assert caller.refusal(document, id=page.agent_id).code == "FORBIDDEN"
    assert own.refused()["extensions"]["code"] == "FORBIDDEN"
    assert count_conversations(workspace) == 0


def test_unknown_agent_looks_like_a_foreign_page(workspace: Workspace, other: Workspace) -> None:
    allow(workspace)
    unlisted = Page.of(workspace, agent_id=other.agent_id).refused()
    unknown = Page.of(workspace, agent_id="agt_01h455vb4pex5vsknk084sn02q").refused()
    assert unlisted["message"] == unknown["message"]
    assert unlisted["extensions"] == unknown["extensions"] == {"code": "FORBIDDEN"}
    malformed = Page.of(workspace, agent_id="conv_1").refused()
    assert malformed["extensions"] == {"code": "BAD_USER_INPUT", "field": "input.agentId"}


def test_visitor_without_identity_is_refused_unless_the_setting_allows_it(workspace: Workspace) -> None:
    allow(workspace, anonymous=False)
    error = Page.of(workspace).refused()
    assert error["extensions"]["code"] == "FORBIDDEN"
    assert "anonymousConversations" in error["message"]
    assert count_conversations(workspace) == 0


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("input.customer.email", {"customer": {"email": "no address"}}),
        ("input.customer.name", {"customer": {"name": " "}}),
        ("input.customer.externalId", {"customer": {"externalId": "x" * 201}}),
        ("input.metadata", {"metadata": [1]}),
        ("input.idempotencyKey", {"idempotencyKey": ""}),
    ],
)
def test_malformed_input_is_refused_and_starts_nothing(
    workspace: Workspace, field: str, given: dict[str, object]
) -> None:
    allow(workspace)
    error = Page.of(workspace).refused(**given)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert count_conversations(workspace) == 0


def test_token_of_a_page_opens_its_own_conversation_only(workspace: Workspace) -> None:
    allow(workspace)
    first, second = Page.of(workspace), Page.of(workspace)
    mine, theirs = first.open(), second.open()
    customer = first.customer(mine)
    query = "query($id: ID!) { conversation(id: $id) { id } }"
    assert customer.ask(query, id=theirs["conversation"]["id"]) == {"conversation": None}
    assert customer.refusal(WIDGET.replace("widget(", "agents: widget("), id="agt_1").code == "BAD_USER_INPUT"
    thief = Page(first.url, mine["widgetToken"], "https://evil.example", first.address, first.agent_id)
    assert thief.refusal(query, id=mine["conversation"]["id"]).code == "FORBIDDEN"


def test_two_conversations_in_one_document_each_show_their_own(workspace: Workspace) -> None:
    allow(workspace)
    document = """mutation($input: OpenConversationInput!) {
        a: openConversation(input: $input) { conversation { id } }
        b: openConversation(input: $input) { conversation { id } }
        c: signOut }"""
    answer = Page.of(workspace).post(document, {"input": {"agentId": workspace.agent_id}})
    ids = {answer["data"][name]["conversation"]["id"] for name in "ab"}
    assert len(ids) == 2
    # The customer of the payload is not the caller of the next mutation.
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["UNAUTHENTICATED"]


def test_credential_changes_nothing_about_an_open_conversation(workspace: Workspace) -> None:
    allow(workspace)
    document = OPEN.replace("metadata", "metadata agent { settings { version } }")
    page = Page(workspace.server.url, workspace.api_key, ORIGIN, new_address(), workspace.agent_id)
    answer = page.post(document, {"input": {"agentId": workspace.agent_id}})
    # The payload is the customer's, with any credential.
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    program = Caller(workspace.server.url, workspace.api_key)
    assert program.refusal(OPEN, input={"agentId": workspace.agent_id}).code == "FORBIDDEN"


def test_repeated_start_returns_the_first_conversation_to_its_own_visitor(workspace: Workspace) -> None:
    allow(workspace)
    page, stranger = Page.of(workspace), Page.of(workspace)
    key = {"idempotencyKey": "start"}
    first = page.open(**key)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: page.open(**key), range(4)))
    assert {opened["conversation"]["id"] for opened in again} == {first["conversation"]["id"]}
    assert page.refused(**key, language="de")["extensions"]["code"] == "IDEMPOTENCY_MISMATCH"
    assert stranger.open(**key)["conversation"]["id"] != first["conversation"]["id"]
    assert count_conversations(workspace) == 2


def test_concurrent_starts_with_one_key_make_one_conversation(workspace: Workspace) -> None:
    allow(workspace)
    page, key = Page.of(workspace), str(uuid4())
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: page.open(idempotencyKey=key), range(6)))
    assert len({payload["conversation"]["id"] for payload in opened}) == 1
    assert count_conversations(workspace) == 1


def test_repeated_start_does_not_open_a_conversation_that_is_identified_by_now(workspace: Workspace) -> None:
    allow(workspace)
    page = Page.of(workspace)
    opened = page.open(idempotencyKey="start")
    token = signed(claims_of(workspace.agent_id), rotate(workspace))
    page.customer(opened).ask(
        "mutation($c: ID!, $i: String!) { identifyCustomer(conversationId: $c, identity: $i) { id } }",
        c=opened["conversation"]["id"],
        i=token,
    )
    # The next visitor of the same computer.
    assert page.refused(idempotencyKey="start")["extensions"]["code"] == "CONFLICT"
    assert page.open(identity=token)["conversation"]["id"] == opened["conversation"]["id"]


def post_open(page: Page, **more: object) -> httpx.Response:
    body = {"query": OPEN, "variables": {"input": {"agentId": page.agent_id, **more}}}
    return httpx.post(f"{page.url}/graphql", json=body, headers=page.headers)


def test_eleventh_start_from_an_address_is_limited_and_repeats_are_not(workspace: Workspace) -> None:
    allow(workspace)
    page = Page.of(workspace)
    first = page.open(idempotencyKey="the first")
    for _ in range(9):
        page.open()
    answer = post_open(page)
    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["retryAfter"] <= longest_wait(3600, 10)
    assert answer.headers["retry-after"] == str(error["extensions"]["retryAfter"])
    assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    assert page.open(idempotencyKey="the first")["conversation"]["id"] == first["conversation"]["id"]
    assert count_conversations(workspace) == 10
    Page.of(workspace).open()


def test_concurrent_starts_and_those_of_one_document_do_not_exceed_the_limit(workspace: Workspace) -> None:
    allow(workspace)
    page, other = Page.of(workspace), Page.of(workspace)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: post_open(page), range(30)))
    assert sum("errors" not in answer.json() for answer in answers) == 10
    fields = " ".join(f"a{number}: openConversation(input: $i) {{ widgetToken }}" for number in range(15))
    answer = other.post(
        f"mutation($i: OpenConversationInput!) {{ {fields} }}", {"i": {"agentId": page.agent_id}}
    )
    assert sum(payload is not None for payload in answer["data"].values()) == 10
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"RATE_LIMITED"}
    assert count_conversations(workspace) == 20


def test_addresses_of_one_ipv6_network_count_together(workspace: Workspace) -> None:
    allow(workspace)
    network = f"2001:db8:{uuid4().hex[:4]}:1"
    for number in range(10):
        Page.of(workspace, address=f"{network}::{number + 1}").open()
    refused = Page.of(workspace, address=f"{network}:aaaa::1").refused()
    assert refused["extensions"]["code"] == "RATE_LIMITED"
    Page.of(workspace, address=f"{network[:-1]}2::1").open()


def test_refused_start_counts_towards_no_limit(workspace: Workspace) -> None:
    allow(workspace)
    page = Page.of(workspace)
    foreign = Page(page.url, None, "https://evil.example", page.address, page.agent_id)
    for _ in range(12):
        assert foreign.refused()["extensions"]["code"] == "FORBIDDEN"
        assert page.refused(identity="no.valid.token")["extensions"]["code"] == "UNAUTHENTICATED"
    page.open()


def test_starts_from_an_origin_are_limited_by_a_setting() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-starts-") as folder:
        Path(folder).chmod(0o755)
        limits = {"BATON_STARTS_PER_ORIGIN": "3", "BATON_STARTS_PER_ADDRESS": "2"}
        with Server.started(Path(folder), **limits) as server:
            workspace, other = server.new_workspace(), server.new_workspace()
            allow(workspace, allowedOrigins=[ORIGIN, "https://blog.example"])
            allow(other)
            page = Page.of(workspace)
            page.open()
            page.open()
            assert page.refused()["extensions"]["code"] == "RATE_LIMITED"
            # What was refused by address has not used up the origin's share.
            Page.of(workspace).open()
            refused = Page.of(workspace, "https://shop.example:443").refused()
            assert refused["extensions"]["code"] == "RATE_LIMITED"
            assert "origin" in refused["message"]
            Page.of(workspace, "https://blog.example").open()
            Page.of(other).open()


def test_widget_shows_texts_in_the_language_of_the_page(workspace: Workspace) -> None:
    texts = [
        {"language": "de", "greeting": "Guten Tag"},
        {"language": "pt", "buttonText": "Falar com alguém"},
    ]
    allow(workspace, greeting="Hello", texts=texts, buttonVisibility="AFTER_THRESHOLD")
    page = Page.of(workspace)
    shown = {
        language: page.ask(WIDGET, id=page.agent_id, language=language)["widget"]
        for language in (None, "de-AT", "pt-BR", "fr")
    }
    assert {language: (item["greeting"], item["buttonText"]) for language, item in shown.items()} == {
        None: ("Hello", "Talk to a human"),
        "de-AT": ("Guten Tag", "Talk to a human"),
        "pt-BR": ("Hello", "Falar com alguém"),
        "fr": ("Hello", "Talk to a human"),
    }
    assert shown["fr"] == {
        "agentId": page.agent_id,
        "buttonText": "Talk to a human",
        "buttonVisibility": "AFTER_THRESHOLD",
        "greeting": "Hello",
        "online": True,
        "opensAt": None,
        "anonymousConversations": True,
    }


def test_widget_of_a_closed_team_says_when_it_opens(workspace: Workspace) -> None:
    allow(workspace)
    days = """SELECT to_char(day, 'YYYY-MM-DD') AS day
        FROM generate_series(now() - interval '2 days', now() + interval '20 days', '1 day') AS day"""
    closed = [{"date": row["day"], "name": "Closed"} for row in workspace.server.rows(days)]
    workspace.key.settings(workspace.agent_id, sla={"businessHours": {"timezone": "UTC", "holidays": closed}})
    page = Page.of(workspace)
    shown = page.ask(WIDGET, id=page.agent_id)["widget"]
    assert shown["online"] is False
    last = closed[-1]["date"]
    after = workspace.server.rows("SELECT to_char($1::text::date + 1, 'YYYY-MM-DD') AS day", last)[0]["day"]
    assert shown["opensAt"].startswith(f"{after}T00:00:00")


def test_greeting_is_removed_by_null_or_an_empty_text(workspace: Workspace) -> None:
    page = Page.of(workspace)
    for empty in (None, "", " "):
        allow(workspace, greeting="Hello")
        assert page.ask(WIDGET, id=page.agent_id)["widget"]["greeting"] == "Hello"
        allow(workspace, greeting=empty)
        assert page.ask(WIDGET, id=page.agent_id)["widget"]["greeting"] is None


def test_anonymous_conversations_are_off_by_default(workspace: Workspace) -> None:
    query = (
        "query($id: ID!) { escalationSettings(agentId: $id) { widget { anonymousConversations greeting } } }"
    )
    widget = workspace.key.ask(query, id=workspace.agent_id)["escalationSettings"]["widget"]
    assert widget == {"anonymousConversations": False, "greeting": None}
