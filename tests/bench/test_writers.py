"""The bench of concurrent writers writes what it counts, to one workspace and to sixteen."""

import subprocess
import sys

import pytest

from tests.support.baton_process import ROW_SECURITY


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_both_kinds_of_writers_are_measured() -> None:
    command = (sys.executable, "-m", "bench.writers", "--rounds", "1", "--seconds", "0.2")
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    lines = [line.split(" | ") for line in made.stdout.splitlines() if "workspace" in line]
    assert [line[1] for line in lines[-4:]] == ["one workspace", "16 workspaces"] * 2
    assert ("row-level security on" in made.stdout) == ROW_SECURITY
