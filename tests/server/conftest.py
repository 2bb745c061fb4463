"""A WebSocket endpoint without a database, and its clients."""

from collections.abc import AsyncIterator

import pytest

from tests.support.websocket_server import Connect, Start, connecting, starting


@pytest.fixture
async def start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Start]:
    """A function that starts an endpoint. Remaining tasks and logged errors fail the test."""
    async with starting(monkeypatch, caplog) as started:
        yield started


@pytest.fixture
async def connect(start: Start) -> AsyncIterator[Connect]:
    """A function that opens a client, which is closed at the end."""
    async with connecting() as connected:
        yield connected
