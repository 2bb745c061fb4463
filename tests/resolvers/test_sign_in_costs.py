"""Signing in while others guess, with hashes that cost what they cost in production."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median

import httpx
import pytest

from rules.roles import MemberRole
from tests.support.baton_client import PASSWORD, Server
from tests.support.baton_process import FULL_PASSWORD_COSTS
from tests.support.callers import Rows, Visitor, new_email
from tests.support.member_cases import MODERN, WRONG, attempt, code_of
from tests.support.sla_clocks import in_time


@pytest.fixture(scope="module")
def server(server: Server) -> Iterator[Server]:
    """Another process of the service."""
    costly = Server(server.data_dir, server.owner_url, server.service_url)
    costly.start(**{FULL_PASSWORD_COSTS: "yes"})
    yield costly
    costly.stop()


def guess(url: str, emails: list[str], address: str) -> Counter[str | None]:
    """Try a wrong password for each email, twenty concurrently, from one address."""
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(20) as pool:
        attacker = Visitor(url, client=client)
        answers = pool.map(lambda e: attempt(attacker, e, WRONG, **{"x-forwarded-for": address}), emails)
        return Counter(map(code_of, answers))


def test_right_password_signs_in_within_two_seconds_of_300_guesses(rows: Rows, nobody: Visitor) -> None:
    email = rows.create_member(MemberRole.AGENT)
    attacks = {"203.0.113.1": [email] * 300, "203.0.113.2": [new_email() for _ in range(300)]}
    waits: list[float] = []
    for address, emails in attacks.items():
        with ThreadPoolExecutor(1) as pool:
            attack = pool.submit(guess, nobody.url, emails, address)
            while not attack.done() or not waits:
                begun = time.monotonic()
                assert code_of(attempt(nobody, email, PASSWORD)) is None
                # Other tests use the same cores, so each wait is in seconds of a core of its own.
                waits.append((time.monotonic() - begun) / (in_time() / timedelta(seconds=1)))
            codes = attack.result()
        assert codes.total() == 300
        assert set(codes) <= {"UNAUTHENTICATED", "RATE_LIMITED", "UNAVAILABLE"}
        # The others were refused before their password was checked.
        assert codes["UNAUTHENTICATED"] <= 100
    assert median(waits) < 2


def test_unknown_and_known_emails_take_the_same_time(rows: Rows, nobody: Visitor) -> None:
    emails = (rows.create_member(MemberRole.AGENT), new_email())
    ratios = []
    for _ in range(9):
        taken = []
        for email in emails:
            begun = time.perf_counter()
            assert code_of(attempt(nobody, email, WRONG)) == "UNAUTHENTICATED"
            taken.append(time.perf_counter() - begun)
        # Two that follow each other: other tests slow both down.
        ratios.append(taken[0] / taken[1])
    # Without a hash an attempt takes a tenth of the time.
    assert 0.5 < median(ratios) < 2


def test_single_address_waits_for_at_most_four_hashes(nobody: Visitor) -> None:
    emails = [new_email() for _ in range(16)]
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(16) as pool:
        here = Visitor(nobody.url, client=client)
        headers = MODERN | {"x-forwarded-for": "203.0.113.20"}
        responses = list(pool.map(lambda email: attempt(here, email, WRONG, **headers), emails))
    busy = [response for response in responses if code_of(response) == "UNAVAILABLE"]
    assert busy
    assert {(response.status_code, response.headers["retry-after"]) for response in busy} == {(503, "1")}
    assert {code_of(response) for response in responses} == {"UNAUTHENTICATED", "UNAVAILABLE"}
