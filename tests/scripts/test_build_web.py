"""Building the widget on machines that lack something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A copy of what the build needs, on which nothing has been built."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "web").mkdir()
    (tmp_path / "scripts/__init__.py").touch()
    (tmp_path / "scripts/build_web.py").write_text((ROOT / "scripts/build_web.py").read_text())
    (tmp_path / "web/package-lock.json").write_text("{}")
    return tmp_path


def build(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the build with no Node in the path, and with no package index."""
    lonely = {
        "PATH": str(folder / "no-programs"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.build_web", *options],
        cwd=folder,
        env=os.environ | lonely | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_installation_without_node_and_network_prints_one_line(elsewhere: Path) -> None:
    finished = build(elsewhere, "--optional")
    assert finished.returncode == 0, finished.stderr
    [line] = finished.stdout.splitlines()
    assert line.startswith("The widget is not built: there is no Node 20.19 or newer")
    assert line.endswith("The API serves without it; `make web` tries again.")
    assert finished.stderr == ""


def test_build_that_is_asked_for_fails_without_node_and_network(elsewhere: Path) -> None:
    assert build(elsewhere).returncode == 1


def test_build_can_be_switched_off(elsewhere: Path) -> None:
    finished = build(elsewhere, BATON_NO_WEB="1")
    assert (finished.returncode, finished.stdout) == (0, "")
    assert not (elsewhere / ".venv").exists()
