"""The order of the test files, and the list that it follows."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.file_order import FILE, sort_by_seconds

ROOT = Path(__file__).parents[1]


def test_listed_files_exist() -> None:
    listed: dict[str, int] = json.loads(FILE.read_text())
    assert [file for file in listed if not (ROOT / file).exists()] == [], "see tests/support/file_order.py"


def test_longest_files_come_first_and_their_tests_stay_in_order(request: pytest.FixtureRequest) -> None:
    listed: dict[str, int] = json.loads(FILE.read_text())
    items = [item for item in request.session.items if item.path.is_relative_to(ROOT)]
    before = {file: list(tests) for file, tests in groupby(items, file_of)}
    sort_by_seconds(items)
    after = {file: list(tests) for file, tests in groupby(items, file_of)}
    seconds = [listed.get(file, 0) for file in after]
    assert seconds == sorted(seconds, reverse=True)
    assert after == before


def file_of(item: pytest.Item) -> str:
    return item.path.relative_to(ROOT).as_posix()
