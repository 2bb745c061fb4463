"""What single tests need beside Python; without it they are skipped, but never in CI."""

import os

import pytest


def need(name: str, there: object) -> None:
    """Skip the test when `name` is not there; TESTS_REQUIRE=all makes that a failure."""
    if there:
        return
    if os.environ.get("TESTS_REQUIRE") == "all":
        pytest.fail(f"{name} is missing, and TESTS_REQUIRE=all")
    pytest.skip(f"needs {name}")
