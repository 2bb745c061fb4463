"""The commands of docs/operations.md, run as they are printed."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.embedded.postgres import embedded_postgres
from tests.server.test_external_postgres import port as external_port  # noqa: F401  # a fixture
from tests.support.baton_client import BATON, Caller, Server, Workspace
from tests.support.baton_process import MODE, ROW_SECURITY, run_baton
from tests.support.typed_baton import typed_baton

# Each test starts about ten processes, one after the other.
pytestmark = pytest.mark.timeout(400)

PAGE = Path(__file__).parents[2] / "docs/operations.md"


def commands(name: str) -> str:
    """Return the block of the page that is marked with this name."""
    blocks = re.findall(rf"<!-- test: {name} -->\n```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (block,) = blocks
    return str(block)


def run(folder: Path, script: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BATON_")}
    with typed_baton() as programs:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env=inherited
            | MODE
            | {"PATH": os.pathsep.join((str(programs), str(BATON.parent), os.environ["PATH"]))},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def home() -> Iterator[Path]:
    """The folder in which the operator works, with the data folder .baton."""
    with tempfile.TemporaryDirectory(prefix="baton-operations-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / ".baton").mkdir(mode=0o755)
        yield Path(folder)


def fill(server: Server) -> tuple[Workspace, str, str]:
    """Return a workspace, a conversation with a message, and its widget token."""
    workspace = server.new_workspace()
    started = workspace.start()
    conversation = started["conversation"]["id"]
    workspace.key.record(conversation, "USER", "Keep this: José 👋")
    return workspace, conversation, started["widgetToken"]


def assert_same(server: Server, workspace: Workspace, conversation: str, token: str) -> None:
    for credential in (workspace.api_key, token):
        (message,) = Caller(server.url, credential).messages(conversation)
        assert message["content"] == "Keep this: José 👋"


def test_data_folder_that_is_closed_as_the_doctor_advises_has_its_database(home: Path) -> None:
    (home / ".baton").chmod(0o755)
    for status in ("warning", "ok"):
        done = run_baton("doctor", "--json", BATON_DATA_DIR=str(home / ".baton"))
        assert done.returncode == 0, done.stderr
        findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
        assert findings["data folder"]["verdict"] == status
        assert findings["database"]["detail"] == "is not at this version of Baton"
        if advice := findings["data folder"]["advice"]:
            subprocess.run(advice.removeprefix("Run `").removesuffix("`."), shell=True, check=True)


def test_backup_restored_in_a_new_folder_serves_the_same(home: Path) -> None:
    with Server.started(home / ".baton") as server:
        workspace, conversation, token = fill(server)
        run(home, commands("backup"))
        workspace.key.record(conversation, "USER", "after the backup")
    assert run(home, commands("restore")).split()[-1] == "1"
    with Server.started(home / "restored") as restored:
        assert_same(restored, workspace, conversation, token)


def test_embedded_database_moved_to_an_external_one_serves_the_same(
    home: Path,
    external_port: int,  # noqa: F811  # the fixture
) -> None:
    with Server.started(home / ".baton") as server:
        workspace, conversation, token = fill(server)
    address = f"127.0.0.1:{external_port}"
    admin = Server(home, f"postgresql://postgres@{address}/postgres", "")
    admin.execute("CREATE ROLE baton_owner LOGIN")
    admin.execute("CREATE ROLE baton LOGIN")
    admin.execute("CREATE DATABASE baton OWNER baton_owner")
    script = commands("move").replace("db.example.com", address)
    assert script.count(address) == 2
    printed = run(home, script)
    assert "there was nothing to do" in printed
    wall = ", row-level security" if ROW_SECURITY else ""
    assert re.search(rf"^ok +database +PostgreSQL \d+.*1 workspace{wall}$", printed, re.MULTILINE)

    moved = Server(
        home / "moved", f"postgresql://baton_owner@{address}/baton", f"postgresql://baton@{address}/baton"
    )
    moved.data_dir.mkdir()
    moved.start(
        BATON_MIGRATION_URL=moved.owner_url,
        BATON_DATABASE_URL=moved.service_url,
        BATON_SECRET_KEY=(home / ".baton/secret_key").read_text(),
    )
    try:
        assert_same(moved, workspace, conversation, token)
    finally:
        assert moved.stop() == 0


def test_programs_report_their_own_failure(home: Path) -> None:
    with embedded_postgres(home / ".baton"):
        failed = run_baton("pg", "psql", "-c", "SELECT nonsense", BATON_DATA_DIR=str(home / ".baton"))
        missing = run_baton("pg", "no-such-program", BATON_DATA_DIR=str(home / ".baton"))
    assert (failed.returncode, missing.returncode) == (1, 1)
    assert 'column "nonsense" does not exist' in failed.stderr
    assert "Install the client programs" in missing.stderr
