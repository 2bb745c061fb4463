"""Programs that single tests need. Without them they are skipped, but never in CI."""

import os

import pytest


def need(name: str, there: object) -> None:
    """Skip the test if `name` is missing. With TESTS_REQUIRE=all it fails."""
    if there:
        return
    if os.environ.get("TESTS_REQUIRE") == "all":
        pytest.fail(f"{name} is missing, and TESTS_REQUIRE=all")
    pytest.skip(f"needs {name}")
