"""Servers, workers and sinks that the tests of notifications share."""

from collections.abc import Iterator

import pytest

from tests.support.baton_process import FOR_TESTS
from tests.support.notification_sinks import Outside
from tests.support.webhook_helpers import PostOffice


@pytest.fixture(scope="session")
def office() -> Iterator[PostOffice]:
    """Two workers next to a server without one. All modules share it, because its start takes long."""
    with PostOffice.opened() as opened:
        opened.serve("--no-worker")
        for _ in range(2):
            opened.hire()
        yield opened


@pytest.fixture(scope="session")
def post() -> Iterator[PostOffice]:
    """One server with its worker, with the default limits, on which most addresses must be confirmed."""
    with PostOffice.opened() as opened:
        defaults = dict.fromkeys(FOR_TESTS, "")
        opened.serve(**defaults | {"BATON_CONFIRMED_DOMAINS": "listed.example.com"})
        yield opened


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """A server with a mail server and a Slack of its own."""
    with Outside.opened() as opened:
        yield opened
