"""The order of the test files in several processes: the longest first, so that no process ends long after the others.

A process takes the next file when its own ends. `FILE` has the seconds of each file that takes some; others
follow in the order of their folders. `TESTS_RECORD_SECONDS=yes make test` measures and writes it again.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("file_seconds.json")
LEAST_SECONDS = 3


def is_worker(config: pytest.Config) -> bool:
    """Return whether this is one of several processes that run tests."""
    return hasattr(config, "workerinput")


def sort_by_seconds(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; the tests of a file stay in their order."""
    seconds: dict[str, int] = json.loads(FILE.read_text())
    items.sort(key=lambda item: -seconds.get(_file_of(item.nodeid), 0))


class SecondsRecorder:
    """A plugin of the process that collects the reports."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        rounded = {file: round(seconds) for file, seconds in self._seconds.most_common()}
        long = {file: seconds for file, seconds in rounded.items() if seconds >= LEAST_SECONDS}
        FILE.write_text(json.dumps(long, indent=1) + "\n")


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def is_recording(config: pytest.Config) -> bool:
    """Return whether this process should record the seconds."""
    return bool(os.environ.get("TESTS_RECORD_SECONDS")) and not is_worker(config)
