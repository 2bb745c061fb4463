"""API keys: their text, end, owner, networks and rotation."""

import re
import zlib
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any

import pytest

from resolvers.credentials import token_hash
from rules.api_key_text import is_api_key_text
from rules.roles import MemberRole, Scope
from rules.typeid import API_KEY, parse_id
from tests.support.callers import Rows, Visitor

KEY_FIELDS = """id name prefix scopes createdAt expiresAt lastUsedAt lastAddress networks revokedAt
    owner { email }"""
CREATE = f"""mutation($i: CreateApiKeyInput!) {{ createApiKey(input: $i) {{
    key apiKey {{ {KEY_FIELDS} }} }} }}"""
ROTATE = f"""mutation($id: ID!, $seconds: Int!) {{ rotateApiKey(id: $id, overlapSeconds: $seconds) {{
    key apiKey {{ {KEY_FIELDS} }} previous {{ {KEY_FIELDS} }} }} }}"""
KEYS = f"{{ apiKeys {{ {KEY_FIELDS} }} }}"
AGENTS = "{ agents { id } }"


def make(caller: Visitor, **given: Any) -> dict[str, Any]:
    made: dict[str, Any] = caller.ask(CREATE, i={"name": "A key", "scopes": ["ANALYTICS_READ"]} | given)
    created: dict[str, Any] = made["createApiKey"]
    return created


def works(caller: Visitor, key: str, **headers: str) -> bool:
    answer = caller.as_one(key).send(AGENTS, None, **headers).json()
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    assert codes in ([], ["UNAUTHENTICATED"])
    return not codes


def listed(rows: Rows, key_id: str) -> dict[str, Any]:
    (key,) = (key for key in rows.key.ask(KEYS)["apiKeys"] if key["id"] == key_id)
    return dict(key)


def test_key_names_its_id_and_ends_with_a_checksum(rows: Rows) -> None:
    made = make(rows.key)
    text, key = made["key"], made["apiKey"]
    assert re.fullmatch(r"baton_sk_[0-7][0-9a-hjkmnp-tv-z]{25}_[\w-]{43}[0-9a-f]{8}", text)
    assert text.startswith(f"{key['prefix']}_")
    assert key["prefix"].removeprefix("baton_sk_") == key["id"].removeprefix("key_")
    assert int(text[-8:], 16) == zlib.crc32(text[:-8].encode())
    assert works(rows.key, text)


def test_mistyped_key_is_no_key(rows: Rows) -> None:
    text = make(rows.key)["key"]
    assert is_api_key_text(text)
    for place in range(len(text)):
        other = "0" if text[place] != "0" else "1"
        assert not is_api_key_text(text[:place] + other + text[place + 1 :]), place
    for wrong in (text[:-1], text + "0", text.upper(), "", "baton_sk_", text[9:]):
        assert not is_api_key_text(wrong)
    assert not works(rows.key, text[:50] + ("A" if text[50] != "A" else "B") + text[51:])


def test_key_of_the_first_form_stays_valid(rows: Rows) -> None:
    key_id, _ = rows.create_key("An old key", Scope.ANALYTICS_READ)
    old = "baton_sk_" + token_urlsafe(32)
    rows.workspace.server.execute(
        "UPDATE api_keys SET key_hash = $1, expires_at = NULL WHERE id = $2",
        token_hash(old),
        parse_id(API_KEY, key_id),
    )
    assert works(rows.key, old)


def test_key_ends_after_a_year_unless_another_end_is_given(rows: Rows) -> None:
    now = datetime.now(UTC)
    year = datetime.fromisoformat(make(rows.key)["apiKey"]["expiresAt"]) - now
    assert timedelta(days=364) < year < timedelta(days=366)
    assert make(rows.key, expiresAt=None)["apiKey"]["expiresAt"] is None
    soon = (now + timedelta(hours=1)).isoformat()
    made = make(rows.key, expiresAt=soon)
    assert datetime.fromisoformat(made["apiKey"]["expiresAt"]) == datetime.fromisoformat(soon)
    assert works(rows.key, made["key"])
    rows.workspace.server.execute(
        "UPDATE api_keys SET expires_at = now() WHERE id = $1", parse_id(API_KEY, made["apiKey"]["id"])
    )
    assert not works(rows.key, made["key"])


def test_key_that_would_have_ended_already_is_refused(rows: Rows) -> None:
    before = rows.key.ask(KEYS)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    given = {"name": "Too late", "scopes": ["ADMIN"], "expiresAt": past}
    refused = rows.key.refusal(CREATE, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.expiresAt")
    assert len(rows.key.ask(KEYS)["apiKeys"]) == len(before["apiKeys"])


def test_key_has_the_member_who_created_it_as_owner(rows: Rows) -> None:
    email = rows.create_member(MemberRole.ADMIN)
    assert make(rows.key.sign_in(email))["apiKey"]["owner"] == {"email": email}
    assert make(rows.key)["apiKey"]["owner"] is None


def test_use_of_a_key_is_shown_with_its_address(rows: Rows) -> None:
    made = make(rows.key)
    assert (made["apiKey"]["lastUsedAt"], made["apiKey"]["lastAddress"]) == (None, None)
    assert works(rows.key, made["key"], **{"x-forwarded-for": "198.51.100.9"})
    key = listed(rows, made["apiKey"]["id"])
    assert key["lastAddress"] == "198.51.100.9"
    assert key["lastUsedAt"]


def test_key_with_networks_is_valid_from_them_only(rows: Rows) -> None:
    networks = ["198.51.100.0/24", "2001:db8::/32", "203.0.113.5"]
    made = make(rows.key, networks=networks)
    assert made["apiKey"]["networks"] == networks
    inside = ("198.51.100.77", "2001:db8:1::9", "::ffff:198.51.100.1", "203.0.113.5")
    outside = ("198.51.101.1", "203.0.113.6", "2001:db9::1", "::1")
    for address in inside:
        assert works(rows.key, made["key"], **{"x-forwarded-for": address}), address
    for address in outside:
        assert not works(rows.key, made["key"], **{"x-forwarded-for": address}), address
    assert listed(rows, made["apiKey"]["id"])["lastAddress"] in inside


@pytest.mark.parametrize("network", ["198.51.100.1/24", "nonsense", "", "198.51.100.0/33", "10.0.0.0/8/8"])
def test_network_that_is_none_is_refused(rows: Rows, network: str) -> None:
    given = {"name": "A key", "scopes": ["ADMIN"], "networks": ["192.0.2.0/24", network]}
    refused = rows.key.refusal(CREATE, i=given)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.networks.1")


def test_rotated_key_overlaps_with_the_one_before(rows: Rows) -> None:
    made = make(rows.key, networks=["0.0.0.0/0", "::/0"])
    rotated = rows.key.ask(ROTATE, id=made["apiKey"]["id"], seconds=600)["rotateApiKey"]
    new, old = rotated["apiKey"], rotated["previous"]
    assert old["id"] == made["apiKey"]["id"] != new["id"]
    for name in ("name", "scopes", "networks"):
        assert new[name] == old[name]
    left = datetime.fromisoformat(old["expiresAt"]) - datetime.now(UTC)
    assert timedelta(seconds=540) < left <= timedelta(seconds=600)
    lifetime = datetime.fromisoformat(new["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=364) < lifetime < timedelta(days=366)
    assert works(rows.key, made["key"])
    assert works(rows.key, rotated["key"])
    rows.key.ask(ROTATE, id=new["id"], seconds=0)
    assert not works(rows.key, rotated["key"])


def test_rotation_of_an_ended_key_or_with_a_wrong_overlap_is_refused(rows: Rows) -> None:
    made = make(rows.key)
    for seconds in (-1, 30 * 86_400 + 1):
        refused = rows.key.refusal(ROTATE, id=made["apiKey"]["id"], seconds=seconds)
        assert (refused.code, refused.field) == ("BAD_USER_INPUT", "overlapSeconds")
    rows.key.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=made["apiKey"]["id"])
    assert rows.key.refusal(ROTATE, id=made["apiKey"]["id"], seconds=0).code == "CONFLICT"
    assert not works(rows.key, made["key"])
    assert len([key for key in rows.key.ask(KEYS)["apiKeys"] if key["name"] == "A key"]) == 1
