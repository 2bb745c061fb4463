"""API keys and widget tokens, from their making to their end."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.typing import Origin

from resolvers.credentials import WidgetTokens
from rules.roles import MemberRole, Scope
from rules.typeid import CONVERSATION, parse_id
from tests.support.baton_client import Caller, Socket
from tests.support.callers import Rows, Visitor, everything_kept, mint_widget_token
from tests.support.server_log import written_log
from tests.support.sla_clocks import prolonged

KIND = "{ viewer { kind } }"
REFRESH = "mutation($id: ID!) { refreshWidgetToken(conversationId: $id) }"
# Twice what is promised, as the machine may be busy.
CLOSED_WITHIN = 2 * 5.0


# ---- API keys


def revoke(key: Caller, key_id: str) -> dict[str, Any]:
    query = "mutation($id: ID!) { revokeApiKey(id: $id) { id revokedAt } }"
    revoke_api_key: dict[str, Any] = key.ask(query, id=key_id)["revokeApiKey"]
    return revoke_api_key


def listed(key: Caller, key_id: str) -> dict[str, Any]:
    api_keys = key.ask("{ apiKeys { id prefix scopes createdAt lastUsedAt revokedAt } }")["apiKeys"]
    (api_key,) = (item for item in api_keys if item["id"] == key_id)
    return dict(api_key)


def test_key_is_shown_once_and_stored_as_a_hash(rows: Rows) -> None:
    key_id, secret = rows.create_key("Back end", Scope.ESCALATIONS_READ)
    assert re.fullmatch(r"baton_sk_[0-9a-z]{26}_[\w-]{43}[0-9a-f]{8}", secret)
    rows.key.as_one(secret).ask(KIND)
    prefix = listed(rows.key, key_id)["prefix"]
    assert secret.startswith(prefix)
    assert prefix == "baton_sk_" + key_id.removeprefix("key_")
    kept = everything_kept(rows.workspace.server)
    assert prefix in kept, "or the scan finds nothing"
    secret_part = secret.removeprefix(prefix)
    assert secret_part not in kept
    assert secret_part.encode().hex() not in kept
    assert secret_part not in written_log(rows.workspace.server)
    assert secret_part not in str(rows.key.ask("{ apiKeys { id name prefix } viewer { apiKey { prefix } } }"))


def test_key_reports_its_last_use(rows: Rows) -> None:
    key_id, secret = rows.create_key("Back end", Scope.ESCALATIONS_READ)
    fresh = listed(rows.key, key_id)
    assert (fresh["lastUsedAt"], fresh["revokedAt"], fresh["scopes"]) == (None, None, ["ESCALATIONS_READ"])
    rows.key.as_one(secret).ask(KIND)
    assert listed(rows.key, key_id)["lastUsedAt"] > fresh["createdAt"]


def test_revoked_key_is_refused_immediately_and_may_be_revoked_again(rows: Rows) -> None:
    key_id, secret = rows.create_key("Back end", Scope.ESCALATIONS_READ)
    holder = rows.key.as_one(secret)
    assert holder.ask(KIND) == {"viewer": {"kind": "API_KEY"}}
    revoked = revoke(rows.key, key_id)
    assert holder.refusal(KIND).code == "UNAUTHENTICATED"
    assert holder.send(KIND, accept="application/graphql-response+json").status_code == 401
    assert revoked["revokedAt"] == listed(rows.key, key_id)["revokedAt"] is not None
    assert revoke(rows.key, key_id) == revoked


@pytest.mark.parametrize("scopes", [[], ["INCOMING_WEBHOOK", "ESCALATIONS_WRITE"]])
def test_key_without_scopes_or_a_hook_with_more_is_refused(rows: Rows, scopes: list[str]) -> None:
    query = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }"
    before = rows.key.ask("{ apiKeys { id } }")
    refused = rows.key.refusal(query, input={"name": "a key", "scopes": scopes})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.scopes")
    assert rows.key.ask("{ apiKeys { id } }") == before


@pytest.mark.parametrize("token", ["baton_sk_", "baton_sk_" + "x" * 43, "baton_ss_x", "baton_wt_", "x"])
def test_malformed_credential_is_refused(rows: Rows, token: str) -> None:
    assert rows.key.as_one(token).refusal(KIND).code == "UNAUTHENTICATED"


# ---- the end of a credential, as live sockets feel it


async def closed(socket: Socket) -> int | None:
    async with asyncio.timeout(prolonged(CLOSED_WITHIN)):
        await socket.raw.wait_closed()
    return socket.raw.close_code


async def answers(socket: Socket) -> bool:
    id_ = await socket.subscribe(KIND)
    return bool((await socket.next(id_))["viewer"])


@pytest.mark.anyio
async def test_ended_credential_closes_its_sockets(rows: Rows) -> None:
    key, me = rows.key, rows.workspace.email
    key_id, secret = rows.create_key("Back end", Scope.ESCALATIONS_READ)
    removed, demoted, signed_out = (rows.create_member(MemberRole.AGENT) for _ in range(3))
    ids = {member["email"]: member["id"] for member in key.ask("{ members { id email } }")["members"]}
    leaving = key.sign_in(signed_out)
    ends: dict[str, tuple[Visitor, str]] = {
        "a key that is revoked": (key.as_one(secret), f'revokeApiKey(id: "{key_id}") {{ id }}'),
        "a member who is removed": (key.sign_in(removed), f'removeMember(id: "{ids[removed]}")'),
        "a member who gets other rights": (
            key.sign_in(demoted),
            f'updateMember(id: "{ids[demoted]}", role: VIEWER) {{ member {{ id }} }}',
        ),
    }
    staying = {"the key": key, "the admin": key.sign_in(me), "another session": key.sign_in(signed_out)}
    # Two seconds are left of its hour.
    age = timedelta(minutes=59, seconds=58)
    ending = key.as_one(mint_widget_token(rows.workspace.server, rows.conversation, age))
    async with AsyncExitStack() as stack:
        bound = {name: await stack.enter_async_context(who.socket()) for name, (who, _) in ends.items()}
        bound["a session that is ended"] = await stack.enter_async_context(leaving.socket())
        bound["a widget token that runs out"] = await stack.enter_async_context(ending.socket())
        others = {name: await stack.enter_async_context(who.socket()) for name, who in staying.items()}
        assert all([await answers(socket) for socket in (*bound.values(), *others.values())])
        for _, act in ends.values():
            key.ask(f"mutation {{ {act} }}")
        leaving.ask("mutation { signOut }")
        codes = await asyncio.gather(*(closed(socket) for socket in bound.values()))
        assert dict(zip(bound, codes, strict=True)) == dict.fromkeys(bound, 4403)
        assert all([await answers(socket) for socket in others.values()])


# ---- widget tokens


def test_widget_token_opens_its_conversation_for_an_hour(rows: Rows) -> None:
    before = datetime.now(UTC)
    ends = datetime.fromisoformat(rows.started["widgetTokenExpiresAt"])
    assert abs(ends - before - timedelta(hours=1)) < timedelta(minutes=1)
    customer, other = rows.key.as_one(rows.widget), Rows(rows.workspace, rows.key.client)
    viewer = customer.ask("{ viewer { kind scopes member { id } apiKey { id } conversation { id } } }")[
        "viewer"
    ]
    assert viewer == {
        "kind": "CUSTOMER",
        "scopes": [],
        "member": None,
        "apiKey": None,
        "conversation": {"id": rows.conversation},
    }
    query = "query($id: ID!) { conversation(id: $id) { id } }"
    assert customer.ask(query, id=rows.conversation)["conversation"] == {"id": rows.conversation}
    assert customer.ask(query, id=other.conversation) == {"conversation": None}


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=1), timedelta(days=30, minutes=59)])
def test_widget_token_is_renewable_for_thirty_days(rows: Rows, age: timedelta) -> None:
    old = rows.key.as_one(mint_widget_token(rows.workspace.server, rows.conversation, age))
    fresh = old.ask(REFRESH, id=rows.conversation)["refreshWidgetToken"]
    result = rows.key.as_one(fresh).ask("{ viewer { conversation { id } } }")
    assert result == {"viewer": {"conversation": {"id": rows.conversation}}}
    if age:
        assert old.refusal(KIND).code in {"UNAUTHENTICATED", "FORBIDDEN"}


def test_widget_token_after_thirty_days_is_refused(rows: Rows) -> None:
    age = timedelta(days=30, hours=1, seconds=1)
    old = rows.key.as_one(mint_widget_token(rows.workspace.server, rows.conversation, age))
    for use in (REFRESH, "query($id: ID!) { conversation(id: $id) { id } }"):
        assert old.refusal(use, id=rows.conversation).code == "UNAUTHENTICATED"


def forged(rows: Rows) -> Iterator[tuple[str, str]]:
    token, head = rows.widget, len("baton_wt_")
    for place in (head, head + 8, head + 24, head + 31, head + 34, len(token) - 2):
        yield (
            f"changed at {place}",
            token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :],
        )
    for length in (head, head + 30, len(token) - 4):
        yield f"cut to {length}", token[:length]
    yield "lengthened", token + "AAAA"
    conversation = parse_id(CONVERSATION, rows.conversation)
    yield "another secret", WidgetTokens("x" * 32).issue(conversation, datetime.now(UTC))[0]


def test_manipulated_token_is_refused(rows: Rows) -> None:
    for how, token in forged(rows):
        customer = rows.key.as_one(token)
        assert customer.refusal(KIND).code == "UNAUTHENTICATED", how
        assert customer.refusal(REFRESH, id=rows.conversation).code == "UNAUTHENTICATED", how


# ---- which sites a widget may stand on

SHOP = "https://shop.example"
STRANGERS = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://www.shop.example",
    "https://shop.example.evil.example",
    "null",
]
SAY = """mutation($id: ID!) { recordMessage(input: {conversationId: $id, role: USER, content: "Hello?"}) {
    message { id } } }"""


@pytest.fixture
def at_the_shop(rows: Rows) -> Visitor:
    """A customer whose AI agent lists one site."""
    rows.key.settings(rows.agent, widget={"allowedOrigins": [SHOP]})
    return rows.key.as_one(rows.widget)


def test_widget_token_is_valid_from_allowed_sites_only(rows: Rows, at_the_shop: Visitor) -> None:
    given = {"id": rows.conversation}
    for origin in (SHOP, f"{SHOP}:443", rows.key.url):
        assert "errors" not in at_the_shop.send(SAY, given, origin=origin).json(), origin
    assert "errors" not in at_the_shop.send(SAY, given).json(), "programs have no origin"
    said = len(rows.key.messages(rows.conversation))
    for origin in STRANGERS:
        answer = at_the_shop.send(SAY, given, origin=origin).json()
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN", origin
    assert len(rows.key.messages(rows.conversation)) == said
    assert "errors" not in rows.key.send(SAY, given, origin=STRANGERS[0]).json(), (
        "keys are not bound to sites"
    )


def test_removed_site_is_refused_immediately(rows: Rows, at_the_shop: Visitor) -> None:
    assert "errors" not in at_the_shop.send(KIND, origin=SHOP).json()
    rows.key.settings(rows.agent, widget={"allowedOrigins": []})
    answer = at_the_shop.send(KIND, origin=SHOP).json()
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.anyio
async def test_live_socket_accepts_the_same_sites_only(rows: Rows, at_the_shop: Visitor) -> None:
    for origin in (SHOP, rows.key.url, None):
        async with at_the_shop.socket(origin=origin and Origin(origin)) as socket:
            assert await answers(socket)
    for origin in STRANGERS:
        with pytest.raises(ConnectionClosedError) as refused:
            async with at_the_shop.socket(origin=Origin(origin)):
                pytest.fail(f"was let in from {origin}")
        assert refused.value.rcvd is not None
        assert refused.value.rcvd.code == 4403


def test_cors_headers_allow_pages_to_call_without_cookies(rows: Rows, at_the_shop: Visitor) -> None:
    asked = {
        "origin": SHOP,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    preflight = rows.key.client.options(f"{rows.key.url}/graphql", headers=asked)
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert {"authorization", "content-type"} <= {item.strip() for item in allowed.split(",")}
    assert "POST" in preflight.headers["access-control-allow-methods"]
    for response in (
        preflight,
        at_the_shop.send(KIND, origin=SHOP),
        at_the_shop.send(KIND, origin=STRANGERS[0]),
    ):
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
