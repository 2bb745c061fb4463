"""The program `baton` of tests that type commands: it ends like its process, and passes signals on."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.baton_client import Server, wait_for
from tests.support.typed_baton import typed_baton


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    with typed_baton() as folder:
        yield folder / "baton"


def test_program_has_the_streams_the_environment_and_the_code_of_its_process(
    program: Path, server: Server
) -> None:
    given = os.environ | {"BATON_DATA_DIR": str(server.data_dir)}
    command: list[str | Path] = [program, "reset-password", "nobody@example.com", "--password-stdin"]
    ended = subprocess.run(command, env=given, input="A good password", capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "team member" in ended.stderr


def test_relative_path_is_found_in_the_folder_of_the_program(program: Path, tmp_path: Path) -> None:
    (tmp_path / "here.jsonl").write_text("no JSON\n")
    ended = subprocess.run([program, "replay", "here.jsonl"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "here.jsonl, line 1" in ended.stderr


def test_signal_reaches_the_process_and_its_code_comes_back(
    program: Path, server: Server, tmp_path: Path
) -> None:
    given = {"BATON_DATA_DIR": str(server.data_dir), "BATON_PORT": "0"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, "serve"], env=os.environ | given, stdout=output, stderr=output)
    try:
        wait_for(lambda: b"serve.ready" in log.read_bytes(), "the server to be ready")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
