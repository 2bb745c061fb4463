"""The order of the test files in several processes: the longest first, so that all processes end together.

A process takes the next file when its own ends. `FILE` has the seconds of each file that takes some; others
follow in the order of their folders. `TESTS_RECORD_SECONDS=yes make test` measures and writes it again.
"""

import json
import os
from collections import defaultdict
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
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        # Those of files that did not run stay.
        seconds: dict[str, float] = json.loads(FILE.read_text()) | self._seconds
        longest_first = sorted(seconds, key=lambda file: -seconds[file])
        long = {file: round(seconds[file]) for file in longest_first if seconds[file] >= LEAST_SECONDS}
        FILE.write_text(json.dumps(long, indent=1) + "\n")


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def is_recording(config: pytest.Config) -> bool:
    """Return whether this process should record the seconds."""
    return bool(os.environ.get("TESTS_RECORD_SECONDS")) and not is_worker(config)
