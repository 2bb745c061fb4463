"""The tour of the README, pasted into the interactive shells that people use."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.baton_client import BATON, Server
from tests.support.baton_process import MODE
from tests.support.requirements import need
from tests.support.typed_baton import typed_baton

# The tour starts about sixty processes.
pytestmark = pytest.mark.timeout(300)

README = Path(__file__).parents[2] / "README.md"
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
COMPLAINTS = (
    "not found",
    "parse error",
    "syntax error",
    "no matches",
    "bad pattern",
    "no such file",
    "Traceback",
    "curl:",
)


def tour() -> list[str]:
    """Return the blocks that are pasted into the two terminals."""
    section = README.read_text().partition("\n## Tour\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder ../baton-tour, with a server that keeps its data in .baton."""
    with tempfile.TemporaryDirectory(prefix="baton-tour-") as name:
        Path(name).chmod(0o755)
        (Path(name) / ".baton").mkdir(mode=0o755)
        yield Path(name)


def test_first_terminal_installs_and_serves() -> None:
    commands = tour()[0].splitlines()
    assert commands[0] == "make install"
    assert commands[-1] == "baton serve"


@pytest.mark.parametrize("shell", SHELLS)
def test_second_terminal_prints_what_the_readme_shows(folder: Path, shell: str) -> None:
    need(shell, shutil.which(shell))
    with Server.started(folder / ".baton", BATON_WIDGET_DOCUMENTS="") as server, typed_baton() as programs:
        blocks = "".join(tour()[1:])
        for line in ('export PATH="$PWD/.venv/bin:$PATH"\n', "cd ../baton-tour\n"):
            assert blocks.count(line) == 1
            blocks = blocks.replace(line, "")
        assert blocks.count("URL=http://127.0.0.1:8000\n") == 1
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
        pasted = subprocess.run(
            SHELLS[shell],
            input=blocks.replace("URL=http://127.0.0.1:8000\n", f"URL={server.url}\n") + "exit\n",
            cwd=folder,
            env=inherited
            | MODE
            | {"PATH": f"{programs}{os.pathsep}{BATON.parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    errors = pasted.stderr
    assert [complaint for complaint in COMPLAINTS if complaint in errors] == [], errors
    assert '"errors"' not in pasted.stdout, pasted.stdout
    assert_in_order(
        pasted.stdout,
        '"ai":{"state":"ACTIVE","epoch":1}',
        '"position":2,"status":"DELIVERED"',
        '"pausedBy":"ESCALATION"',
        '"status":"HELD"',
        '"assignee":{"email":"admin@example.com"}',
        '"outcome":"MET"',
        '"ai":{"state":"ACTIVE","epoch":3}',
        '"DISCARDED"',
        "event: next",
        '"position":8,"role":"ASSISTANT"',
        "HTTP/1.1 201",
        '"status":"in_progress"',
        '"nextCursor":null',
    )


def assert_in_order(text: str, *parts: str) -> None:
    position = 0
    for part in parts:
        position = text.find(part, position)
        assert position >= 0, f"{part} is missing or out of order in\n{text}"
