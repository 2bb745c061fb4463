"""Webhook endpoints as they are set: made, changed, rotated, deleted, and what is refused."""

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from models.ids import new_id
from rules.typeid import AGENT, WEBHOOK_ENDPOINT, WORKSPACE, format_id, parse_id
from tests.support.baton_client import Refused, Server, Workspace
from tests.support.seeded_workspace import fingerprint
from tests.support.server_log import written_log
from tests.support.webhook_helpers import AGENT_MADE, CREATE, DELETE, LIST, ROTATE, UPDATE, Endpoint, Row

# Nothing is ever sent there: the address is public, so it may be set, and no event happens here.
URL = "https://93.184.215.14/hook"
LONG = "https://93.184.215.14/" + "x" * 2_000
MOST = 50
NOWHERE = [
    "",
    "hook",
    "ftp://93.184.215.14/",
    "https://user:password@93.184.215.14/",
    "https://93.184.215.14/\r\nx: y",
    LONG,
    "http://127.0.0.1/hook",
    "http://10.1.2.3/",
    "https://[::1]/",
    "http://169.254.169.254/latest/meta-data",
    "http://2130706433/",
    "http://localhost:8000/",
]


@pytest.fixture(scope="module")
def team(server: Server) -> Workspace:
    """One workspace for the module: every test has an AI agent of its own in it."""
    return server.new_workspace()


@pytest.fixture
def agent_id(team: Workspace) -> str:
    return str(team.key.ask(AGENT_MADE)["createAgent"]["id"])


def listed(team: Workspace, agent_id: str) -> list[Row]:
    webhooks: list[Row] = team.key.ask(LIST, id=agent_id)["escalationSettings"]["notifications"]["webhooks"]
    return webhooks


def everything(workspace: Workspace) -> Any:
    """All that a refused act could have left in the workspace."""
    query = """SELECT to_jsonb(one)::text AS row FROM webhook_endpoints AS one WHERE workspace_id = $1
        UNION ALL SELECT to_jsonb(one)::text FROM delivery_targets AS one WHERE workspace_id = $1
        UNION ALL SELECT to_jsonb(one)::text FROM deliveries AS one WHERE workspace_id = $1 ORDER BY 1"""
    return fingerprint(workspace), workspace.server.rows(query, parse_id(WORKSPACE, workspace.id))


def refused(team: Workspace, query: str, **variables: Any) -> tuple[str, str | None]:
    """Return code and field of a refusal, and assert that nothing changed."""
    before = everything(team)
    refusal: Refused = team.key.refusal(query, **variables)
    assert everything(team) == before
    return refusal.code, refusal.field


# ---- what can be done


def test_created_endpoint_is_shown_with_its_secret_once(team: Workspace, agent_id: str) -> None:
    assert listed(team, agent_id) == []
    given = {"agentId": agent_id, "url": URL}
    made = team.key.ask(CREATE, input=given)["createWebhookEndpoint"]
    shown = made["endpoint"]
    assert shown | {"id": "", "createdAt": ""} == {
        "id": "",
        "url": URL,
        "enabled": True,
        "eventTypes": [],
        "disabledReason": None,
        "createdAt": "",
    }
    prefix, _, key = made["secret"].partition("_")
    assert (prefix, len(base64.b64decode(key, validate=True))) == ("whsec", 32)
    endpoint = Endpoint(team, agent_id, shown["id"], URL, made["secret"])
    assert listed(team, agent_id) == [endpoint.shown] == [shown]
    other = Endpoint.create(team, URL, "turn.requested", "escalation.created", agent_id=agent_id)
    assert other.secret != endpoint.secret
    assert [item["id"] for item in listed(team, agent_id)] == [endpoint.id, other.id]
    # As the events are listed, each once, however they were given.
    twice = Endpoint.create(
        team, URL, "turn.requested", "escalation.created", "turn.requested", agent_id=agent_id
    )
    for item in (other, twice):
        assert item.shown is not None
        assert item.shown["eventTypes"] == ["escalation.created", "turn.requested"]
    assert listed(team, team.agent_id) == []


def test_omitted_field_is_unchanged(team: Workspace, agent_id: str) -> None:
    endpoint = Endpoint.create(team, URL, "escalation.created", agent_id=agent_id)
    beside = Endpoint.create(team, URL, agent_id=agent_id)
    before, beside_before = dict(endpoint.row), dict(beside.row)
    endpoint.update()
    assert endpoint.row == before
    endpoint.update(url=None, enabled=None, eventTypes=None)
    assert endpoint.row == before
    for given, column, value in (
        ({"url": URL + "/2"}, "url", URL + "/2"),
        ({"eventTypes": ["turn.requested"]}, "event_types", ["turn.requested"]),
        ({"enabled": False}, "enabled", False),
        ({"eventTypes": []}, "event_types", []),
        ({"enabled": True}, "enabled", True),
    ):
        endpoint.update(**given)
        before |= {column: value}
        assert endpoint.row == before
    assert beside.row == beside_before


def test_switching_on_or_off_by_hand_forgets_why_it_was_switched_off(team: Workspace, agent_id: str) -> None:
    endpoint = Endpoint.create(team, URL, agent_id=agent_id)
    for enabled in (True, False):
        team.server.execute(
            "UPDATE webhook_endpoints SET enabled = false, disabled_reason = 'It is gone.' WHERE id = $1",
            endpoint.key,
        )
        shown = endpoint.update(eventTypes=[])
        assert (shown["enabled"], shown["disabledReason"]) == (False, "It is gone.")
        shown = endpoint.update(enabled=enabled)
        assert (shown["enabled"], shown["disabledReason"]) == (enabled, None)


def test_rotated_secret_is_new_and_the_old_one_is_kept_for_a_day(team: Workspace, agent_id: str) -> None:
    endpoint = Endpoint.create(team, URL, "escalation.created", agent_id=agent_id)
    first = dict(endpoint.row)
    assert (first["previous_secret"], first["previous_until"]) == (None, None)
    rotated = endpoint.rotate()
    row = endpoint.row
    assert rotated.secret.startswith("whsec_")
    assert rotated.secret != endpoint.secret
    assert row["previous_secret"] == first["secret"] != row["secret"]
    now = team.server.rows("SELECT clock_timestamp() AS now")[0]["now"]
    assert timedelta(hours=23, minutes=59) < row["previous_until"] - now < timedelta(hours=24)
    of_secrets = ("secret", "previous_secret", "previous_until")
    assert {k: v for k, v in row.items() if k not in of_secrets} == {
        k: v for k, v in first.items() if k not in of_secrets
    }


def test_secrets_cannot_be_read_in_the_rows(team: Workspace, agent_id: str) -> None:
    endpoint = Endpoint.create(team, URL, agent_id=agent_id)
    rotated = endpoint.rotate()
    (dump,) = team.server.rows(
        """SELECT string_agg(to_jsonb(one)::text, '') AS text, string_agg(one.secret, '')
            || string_agg(one.previous_secret, '') AS sealed
        FROM webhook_endpoints AS one WHERE agent_id = $1""",
        parse_id(AGENT, agent_id),
    )
    for secret in (endpoint.secret, rotated.secret):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        for spelled in (secret.encode(), secret.removeprefix("whsec_").encode(), key):
            assert spelled not in dump["sealed"]
            assert spelled.hex() not in dump["text"]
        assert secret.removeprefix("whsec_") not in dump["text"]
    # Nor anywhere else: in idempotency keys, the log, or a process's output.
    assert endpoint.secret not in written_log(team.server)


def test_deleted_endpoint_is_gone(team: Workspace, agent_id: str) -> None:
    kept, endpoint = (Endpoint.create(team, URL, agent_id=agent_id) for _ in range(2))
    endpoint.delete()
    assert endpoint.shown is None
    assert [item["id"] for item in listed(team, agent_id)] == [kept.id]
    for query in (UPDATE, ROTATE, DELETE):
        assert refused(team, query, id=endpoint.id) == ("NOT_FOUND", None)


# ---- what is refused


@pytest.mark.parametrize("url", NOWHERE)
def test_forbidden_address_is_refused(team: Workspace, url: str) -> None:
    agent_id = team.agent_id
    given = {"agentId": agent_id, "url": url, "eventTypes": ["turn.requested"]}
    assert refused(team, CREATE, input=given) == ("BAD_USER_INPUT", "input.url")
    endpoint = Endpoint.create(team, URL, agent_id=agent_id)
    # Other fields of the same request do not change.
    changes = {"id": endpoint.id, "url": url, "enabled": False, "eventTypes": ["turn.requested"]}
    assert refused(team, UPDATE, **changes) == ("BAD_USER_INPUT", "url")
    endpoint.delete()


@pytest.mark.parametrize("unknown", ["", "escalation", "escalation.Created", "test", "escalation.created "])
def test_unknown_event_type_is_refused(team: Workspace, agent_id: str, unknown: str) -> None:
    given = ["escalation.created", unknown, "nonsense"]
    made = {"agentId": agent_id, "url": URL, "eventTypes": given}
    assert refused(team, CREATE, input=made) == ("BAD_USER_INPUT", "input.eventTypes.1")
    endpoint = Endpoint.create(team, URL, agent_id=agent_id)
    changes = {"id": endpoint.id, "url": URL + "/2", "enabled": False, "eventTypes": given}
    assert refused(team, UPDATE, **changes) == ("BAD_USER_INPUT", "eventTypes.1")


def test_missing_or_foreign_endpoint_is_not_found(team: Workspace, other: Workspace) -> None:
    foreign = Endpoint.create(other, URL, agent_id=other.agent_id)
    before = everything(other)
    for agent_id in (format_id(AGENT, new_id()), other.agent_id):
        assert refused(team, CREATE, input={"agentId": agent_id, "url": URL}) == ("NOT_FOUND", None)
    for endpoint_id in (format_id(WEBHOOK_ENDPOINT, new_id()), foreign.id):
        for query in (UPDATE, ROTATE, DELETE):
            assert refused(team, query, id=endpoint_id) == ("NOT_FOUND", None)
    for malformed in ("", "whk_1", team.agent_id):
        for query in (UPDATE, ROTATE, DELETE):
            assert refused(team, query, id=malformed) == ("BAD_USER_INPUT", "id")
    given = {"agentId": foreign.id, "url": URL}
    assert refused(team, CREATE, input=given) == ("BAD_USER_INPUT", "input.agentId")
    assert everything(other) == before


def test_agent_has_fifty_endpoints_at_most_under_concurrent_creation(team: Workspace, agent_id: str) -> None:
    endpoint = Endpoint.create(team, URL, agent_id=agent_id)
    team.server.execute(
        """INSERT INTO webhook_endpoints (id, workspace_id, agent_id, url, event_types, enabled, secret,
            created_at)
        SELECT gen_random_uuid(), workspace_id, agent_id, url, event_types, enabled, secret, created_at
        FROM webhook_endpoints, generate_series(3, $2) WHERE id = $1""",
        endpoint.key,
        MOST,
    )
    given = {"agentId": agent_id, "url": URL}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: team.key.post(CREATE, {"input": given}), range(6)))
    codes = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
    assert codes == ["CONFLICT"] * 5
    assert len(listed(team, agent_id)) == MOST
    assert refused(team, CREATE, input=given) == ("CONFLICT", None)
    # One that has been deleted leaves its place.
    endpoint.delete()
    Endpoint.create(team, URL, agent_id=agent_id)
