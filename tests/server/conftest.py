"""A WebSocket endpoint without a database, its clients, and a data folder of a test's own."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.baton_client import Server
from tests.support.oidc_browser import serving_with
from tests.support.oidc_provider import FakeProvider
from tests.support.websocket_server import Connect, Start, connecting, starting


@pytest.fixture
def own_dir() -> Iterator[Path]:
    """A data folder that the account of the embedded PostgreSQL may enter."""
    with tempfile.TemporaryDirectory(prefix="baton-own-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


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


@pytest.fixture(scope="session")
def oidc() -> Iterator[FakeProvider]:
    """An OpenID provider for all tests."""
    with FakeProvider().running() as running:
        yield running


@pytest.fixture
def provider(oidc: FakeProvider) -> FakeProvider:
    """The provider without the changes of earlier tests."""
    oidc.reset()
    return oidc


@pytest.fixture(scope="session")
def oidc_server(
    server: Server, oidc: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A process of the shared service that signs in by the provider."""
    with serving_with(server, oidc, tmp_path_factory.mktemp("oidc") / "serve.log") as running:
        yield running
