"""Retention of deliveries: bodies for 30 days, ended deliveries and their attempts for 90 days."""

import asyncio

import pytest

from models.database import Database
from models.row_scope import EVERY_WORKSPACE
from realtime.retention import purge
from rules.typeid import DELIVERY, parse_id
from tests.support.baton_client import Server
from tests.support.notification_sinks import Outside, Row, Team


@pytest.fixture
def team(outside: Outside) -> Team:
    return Team.create(outside.server, "ada")


def purge_now(server: Server) -> None:
    """Run the purge of a server's database."""

    async def run() -> None:
        database = Database(server.service_url, connections=2, scope=EVERY_WORKSPACE)
        try:
            await purge(database)
        finally:
            await database.close()

    asyncio.run(run())


def age(server: Server, delivery: Row, days: int) -> None:
    """Move the delivery into the past."""
    server.execute(
        "UPDATE deliveries SET created_at = now() - $2::int * interval '1 day' WHERE id = $1",
        parse_id(DELIVERY, delivery["id"]),
        days,
    )


def kept(server: Server, delivery: Row) -> tuple[bool, bool, int]:
    """Return whether the delivery and its body are there, and the number of its attempts."""
    key = parse_id(DELIVERY, delivery["id"])
    rows = server.rows("SELECT body IS NOT NULL AS body FROM deliveries WHERE id = $1", key)
    attempts = server.rows("SELECT id FROM delivery_attempts WHERE delivery_id = $1", key)
    return bool(rows), bool(rows and rows[0]["body"]), len(attempts)


def test_ended_delivery_loses_its_body_after_30_days_and_ends_after_90(team: Team) -> None:
    server = team.server
    team.escalate()
    (delivery,) = team.ended()
    for days, expected in ((29, (True, True, 1)), (31, (True, False, 1)), (89, (True, False, 1))):
        age(server, delivery, days)
        purge_now(server)
        assert kept(server, delivery) == expected, days
    assert [item["status"] for item in team.deliveries()] == ["DELIVERED"]
    age(server, delivery, 91)
    purge_now(server)
    assert kept(server, delivery) == (False, False, 0)
    assert team.deliveries() == []


def test_waiting_delivery_is_kept_however_old(team: Team) -> None:
    server = team.server
    team.escalate()
    (delivery,) = team.ended()
    server.execute(
        "UPDATE deliveries SET status = 'PENDING', next_attempt_at = now() + interval '1 year' WHERE id = $1",
        parse_id(DELIVERY, delivery["id"]),
    )
    age(server, delivery, 400)
    purge_now(server)
    assert kept(server, delivery) == (True, True, 1)
