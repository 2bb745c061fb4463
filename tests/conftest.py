"""A running server for the whole session, and workspaces of their own for the tests."""

import gc
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.baton_client import Server, Workspace
from tests.support.copied_database import remove_original
from tests.support.failure_report import begin_report, circumstances, note_pauses
from tests.support.file_order import SecondsRecorder, is_recording, is_worker, sort_by_seconds
from tests.support.memory_folder import use_memory


def pytest_configure(config: pytest.Config) -> None:
    use_memory()
    note_pauses()
    if is_recording(config):
        config.pluginmanager.register(SecondsRecorder())


def pytest_unconfigure() -> None:
    remove_original()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_worker(config):
        sort_by_seconds(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector pass over the 600,000 objects of modules and tests, which stay until the end.

    While they are made it would look at them again and again, and afterwards at each full collection. Some
    tests collect to see what is left.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_runtest_logstart() -> None:
    begin_report()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to the report of a failed test what its servers logged meanwhile."""
    report = yield
    if report.failed and (text := circumstances()):
        report.sections.append(("Meanwhile", text))
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def data_dir() -> Iterator[Path]:
    # Not pytest's tmp_path: as root the embedded PostgreSQL runs as another user, who must get in.
    with tempfile.TemporaryDirectory(prefix="baton-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="session")
def server(data_dir: Path) -> Iterator[Server]:
    """`baton serve` as a user starts it, on an embedded PostgreSQL of its own."""
    with Server.started(data_dir) as running:
        yield running


@pytest.fixture
def workspace(server: Server) -> Workspace:
    """A workspace of the test's own, in the shared server."""
    return server.new_workspace()


@pytest.fixture
def other(server: Server) -> Workspace:
    """Another workspace: what is in it must not be seen from the first."""
    return server.new_workspace()
