"""Exports as CSV: columns, zones, formulas, permissions, bad input, and many rows."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rules.typeid import AGENT, parse_id
from tests.support.baton_client import Caller, Server, Workspace

PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2034-01-01T00:00:00Z"}
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]
MANY = 3_210


@pytest.fixture(scope="module")
def team(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened


def export(client: httpx.Client, caller: Caller, name: str, **query: Any) -> httpx.Response:
    return client.get(f"/exports/{name}.csv", params={**PERIOD, **query}, headers=caller.headers)


def rows_of(response: httpx.Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    text = response.content.decode()
    assert text.count("\r\n") >= 1
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_escalations_have_every_column_in_the_zone(client: httpx.Client, server: Server) -> None:
    team = server.new_workspace()
    conversation = team.start()["conversation"]["id"]
    reason = 'Größe "XL", zu\r\nklein'
    escalation = team.key.escalate(conversation, reason, priority="HIGH", assignTo=team.email)["escalation"]
    team.key.reply(escalation["id"])
    team.key.resolve(escalation["id"], disposition="NEEDED")
    (row,) = rows_of(export(client, team.key, "escalations", timezone="Asia/Kolkata"))
    assert {
        "id": escalation["id"],
        "conversation_id": conversation,
        "agent_id": team.agent_id,
        "status": "resolved",
        "priority": "high",
        "assignee": team.email,
        "trigger": "api",
        "reason": reason,
        "sla_status": "on_track",
        "sla_outcome": "met",
        "sla_target_minutes": "120",
        "disposition": "needed",
    }.items() <= row.items()
    for name in ("created_at", "sla_due_at", "first_responded_at", "resolved_at"):
        assert row[name].endswith("+05:30"), name
    assert float(row["resolution_seconds"]) >= float(row["first_response_seconds"]) > 0


@pytest.mark.parametrize("formula", FORMULAS)
def test_formula_is_made_harmless(client: httpx.Client, server: Server, formula: str) -> None:
    team = server.new_workspace()
    team.key.escalate(team.start()["conversation"]["id"], formula)
    (row,) = rows_of(export(client, team.key, "escalations"))
    assert row["reason"] == f"'{formula}"


def test_series_is_that_of_the_api(client: httpx.Client, team: Workspace) -> None:
    period = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    query = {"agentId": team.agent_id, "interval": "day", "timezone": "Europe/Berlin", **period}
    rows = rows_of(export(client, team.key, "analytics", **query))
    assert len(rows) == 32
    assert rows[0]["start"] == "2026-03-01T00:00:00.000000+01:00"
    assert rows[-1]["start"] == "2026-04-01T00:00:00.000000+02:00"
    assert (rows[0]["conversations"], rows[0]["escalation_rate"]) == ("0", "")


def multiply(server: Server, team: Workspace, count: int) -> None:
    """Have `count` resolved escalations in a workspace."""
    escalation = team.key.escalate(team.start()["conversation"]["id"], "Please call back. " * 20)
    team.key.resolve(escalation["escalation"]["id"])
    columns = ", ".join(
        row["attname"]
        for row in server.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'escalations'::regclass AND attnum > 0 "
            "AND NOT attisdropped AND attgenerated = '' AND attname NOT IN ('id', 'created_at')"
        )
    )
    server.execute(
        f"INSERT INTO escalations (id, created_at, {columns}) SELECT gen_random_uuid(), "
        f"created_at - n / 7 * interval '1 second', {columns} "
        "FROM escalations, generate_series(1, $2::int) AS n WHERE agent_id = $1",
        parse_id(AGENT, team.agent_id),
        count - 1,
    )


def test_rows_of_a_long_export_come_once_in_order(client: httpx.Client, server: Server) -> None:
    team = server.new_workspace()
    multiply(server, team, MANY)
    rows = rows_of(export(client, team.key, "escalations"))
    assert len({row["id"] for row in rows}) == len(rows) == MANY
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)


@pytest.fixture
def reads(server: Server) -> Iterator[Callable[[], int]]:
    """Count the statements of the export that read escalations; the worker reads them, too."""
    server.execute("CREATE SEQUENCE reads")
    server.execute("GRANT USAGE ON SEQUENCE reads TO PUBLIC")
    server.execute(
        """CREATE POLICY counted ON escalations USING (
            CASE WHEN (SELECT current_query() LIKE '%resolver.email AS resolver%')
            THEN (SELECT nextval('reads')) > 0 ELSE true END)"""
    )
    server.execute("ALTER TABLE escalations ENABLE ROW LEVEL SECURITY")
    try:
        yield lambda: int(server.rows("SELECT last_value FROM reads")[0]["last_value"])
    finally:
        server.execute("ALTER TABLE escalations DISABLE ROW LEVEL SECURITY")
        server.execute("DROP POLICY counted ON escalations")
        server.execute("DROP SEQUENCE reads")


def test_cancelled_request_stops_reading(
    client: httpx.Client, server: Server, reads: Callable[[], int]
) -> None:
    team = server.new_workspace()
    # More than the buffers between the server and a client that does not read.
    multiply(server, team, 30_000)
    path, headers = "/exports/escalations.csv", team.key.headers
    with client.stream("GET", path, params=PERIOD, headers=headers) as response:
        assert response.status_code == 200
        next(response.iter_raw())
    unchanged, before = 0, reads()
    while unchanged < 20:
        # Another request gives the server the time to go on.
        assert client.get("/healthz").status_code == 200
        unchanged, before = (unchanged + 1, before) if reads() == before else (0, reads())
    # All pages would be sixty.
    assert 1 <= before < 50


def test_scope_and_workspace_decide(client: httpx.Client, server: Server, team: Workspace) -> None:
    other = server.new_workspace()
    agent = {"agentId": team.agent_id, "to": "2027-01-01T00:00:00Z"}
    for name in ("escalations", "analytics"):
        assert export(client, team.nobody, name, **agent).status_code == 401
        assert export(client, team.key_with("ESCALATIONS_READ"), name, **agent).status_code == 403
        assert export(client, other.key, name, **agent).status_code == 404
        assert export(client, team.key_with("ANALYTICS_READ"), name, **agent).status_code == 200
    started = team.start()
    assert export(client, team.widget(started), "escalations").status_code == 403


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("sec-fetch-site", "same-origin", 200),
        ("sec-fetch-site", "cross-site", 403),
        ("origin", "https://evil.example", 403),
        ("accept", "text/csv", 403),
    ],
)
def test_session_cookie_is_accepted_from_own_pages_only(
    client: httpx.Client, team: Workspace, name: str, value: str, status: int
) -> None:
    token = team.sign_in().token
    assert token is not None
    headers = {"cookie": f"baton_session={token}", name: value}
    assert client.get("/exports/escalations.csv", params=PERIOD, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        ("escalations", {"to": PERIOD["from"]}, "to"),
        ("escalations", {"from": "yesterday"}, "from"),
        ("escalations", {"timezone": "Mars/Olympus"}, "timezone"),
        ("escalations", {"nonsense": "1"}, "nonsense"),
        ("escalations", {"agentId": "nonsense"}, "agentId"),
        ("analytics", {"interval": "minute"}, "interval"),
        ("analytics", {"interval": "hour"}, "interval"),
    ],
)
def test_bad_input_is_refused_by_its_name(
    client: httpx.Client, team: Workspace, name: str, changes: dict[str, str], field: str
) -> None:
    agent = {"agentId": team.agent_id} if name == "analytics" else {}
    response = export(client, team.key, name, **agent, **changes)
    assert (response.status_code, response.json()["field"]) == (400, field)
