"""The attack itself: its limits find fault. `make attack` runs the cases, when nothing else runs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

# The attack is not an installed package; it is imported from the repository's root.
from attack.case import CASES, Case, Limits, case
from attack.cases import load_cases
from attack.run import Outcome, exceeded, percentile
from attack.watcher import Sample
from attack.world import World

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


async def nothing(_: World) -> None:
    pass


ITEM = Case("a case", "nothing happens", nothing)
CALM = [Sample(at, 0.001, 0.001, 200, 0, 0) for at in range(200)]
CHEAP = Outcome(ITEM, 1, 0.01, 0.01, MIB, MIB, 0, 0)


def test_unknown_case_is_an_error() -> None:
    command = [sys.executable, "-m", "attack", "--only", "no such case"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no case has this name" in ended.stderr


def test_case_within_its_limits_is_not_reported() -> None:
    assert exceeded(CHEAP, CALM, 1.0) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loop_seconds": 0.31}, "0.31 s of the event loop"),
        ({"memory_bytes": 33 * MIB}, "33 MiB of memory"),
        ({"reply_bytes": 9 * MIB}, "a reply of 9.0 MiB"),
        ({"mails": 1}, "1 mails"),
        ({"deliveries": 2}, "2 deliveries"),
    ],
)
def test_each_exceeded_limit_is_reported(changes: dict[str, float], words: str) -> None:
    assert exceeded(replace(CHEAP, **changes), CALM, 1.0) == [words]  # type: ignore[arg-type]  # by name


def test_time_limits_are_scaled_and_others_are_not() -> None:
    assert exceeded(replace(CHEAP, loop_seconds=0.8), CALM, 3.0) == []
    assert exceeded(replace(CHEAP, memory_bytes=33 * MIB), CALM, 3.0) == ["33 MiB of memory"]


def test_slow_and_failed_health_checks_are_reported() -> None:
    slow = [replace(sample, lag=0.2) for sample in CALM[:3]] + CALM[3:]
    assert exceeded(CHEAP, slow, 1.0) == ["the event loop ran up to 0.20 s in 99 % of the calls of /healthz"]
    failed = [replace(CALM[0], status=0), *CALM[1:]]
    assert exceeded(CHEAP, failed, 1.0) == ["1 calls of /healthz failed"]


def test_percentile_is_not_exceeded_by_its_share() -> None:
    assert percentile(list(range(100)), 0.99) == 98
    assert percentile([5], 0.99) == 5


def test_names_of_cases_are_unique_and_every_case_promises_something() -> None:
    cases = load_cases()
    assert len(cases) > 100
    assert all(item.promise and item.name for item in cases)
    assert load_cases() == cases
    with pytest.raises(ValueError, match="two cases"):
        case(cases[0].name, "a second one")(nothing)
    assert len(CASES) == len(cases)


def test_limits_of_the_project_are_the_defaults() -> None:
    limits = Limits()
    assert (limits.loop_seconds, limits.health_seconds) == (0.3, 0.1)
    assert (limits.memory_bytes, limits.reply_bytes) == (32 * MIB, 8 * MIB)
    assert (limits.mails, limits.deliveries) == (0, 0)
