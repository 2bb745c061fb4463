"""The built wheel, installed without `--editable` where the source tree cannot be imported."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from scripts.build_web import BUILT
from tests.support.baton_client import wait_for
from tests.support.requirements import need

ROOT = Path(__file__).parents[2]
NOT_COPIED = (
    ".baton",
    ".git",
    ".*_cache",
    ".hypothesis",
    ".venv",
    "build",
    "dist",
    "node_modules",
    "*.egg-info",
    "__pycache__",
)
# The template of `alembic revision`, for developers.
NOT_INSTALLED = {"models/migrations/script.py.mako"}

# Imports every module that is named, and prints the file of each.
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    print(importlib.import_module(name).__file__)
"""


@dataclass(frozen=True)
class Installation:
    """A virtual environment with the wheel in it."""

    folder: Path
    wheel: Path
    build_output: str

    def run(self, *command: str) -> str:
        """Run a program of the environment and return its output."""
        program, *arguments = command
        finished = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    def files(self) -> set[str]:
        """Return the paths in the wheel, without its metadata."""
        with zipfile.ZipFile(self.wheel) as archive:
            return {name for name in archive.namelist() if ".dist-info/" not in name}


def environment(**more: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("BATON_", "PYTHON"))}
    return inherited | more


def packages() -> list[str]:
    """Return the names of the top-level packages, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    include: list[str] = project["tool"]["setuptools"]["packages"]["find"]["include"]
    return [pattern.removesuffix("*") for pattern in include]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    # Not pytest's tmp_path: as root the embedded PostgreSQL runs as another user, who must get in.
    with tempfile.TemporaryDirectory(prefix="baton-wheel-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        need("the widget and the dashboard, which `make web` builds", all(path.exists() for path in BUILT))
        # A build in the source tree would leave files there, and take up stale ones.
        shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*NOT_COPIED))
        output = pip(
            "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", name, str(folder / "source")
        )
        shutil.rmtree(folder / "source")
        [wheel] = folder.glob("*.whl")
        venv.create(folder / "venv", symlinks=True)
        python = str(folder / "venv/bin/python")
        pip("--python", python, "install", "--no-deps", "--no-index", str(wheel))
        share_dependencies(folder / "venv")
        yield Installation(folder / "venv", wheel, output)


def test_package_without_the_built_widget_is_not_made(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns(*NOT_COPIED, "static")
    shutil.copytree(ROOT, tmp_path / "source", ignore=ignored)
    command = ["-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path)]
    finished = subprocess.run(
        [sys.executable, *command, str(tmp_path / "source")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode != 0
    assert "run `make web`" in finished.stdout + finished.stderr
    assert list(tmp_path.glob("*.whl")) == []


def pip(*arguments: str) -> str:
    """Run pip, and return what it and the build printed."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    finished = subprocess.run(
        command, check=False, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def share_dependencies(folder: Path) -> None:
    """
    Make the dependencies of this interpreter importable in a virtual environment.

    A folder that a .pth file names goes to `sys.path`, but .pth files in that folder are not read. So the
    editable installation of the source tree stays out.
    """
    [target] = folder.glob("lib/python*/site-packages")
    shared = [path for path in sys.path if Path(path).name == "site-packages"]
    (target / "dependencies.pth").write_text("".join(f"{path}\n" for path in shared))


def test_wheel_holds_every_file_of_the_packages(installation: Installation) -> None:
    in_source = {
        path.relative_to(ROOT).as_posix()
        for package in packages()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert installation.files() == in_source - NOT_INSTALLED


def test_build_prints_no_warning(installation: Installation) -> None:
    assert "Warning" not in installation.build_output


def test_every_module_of_the_wheel_is_imported_from_it(installation: Installation) -> None:
    names = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in sorted(installation.files())
        if name.endswith(".py") and Path(name).name not in {"__main__.py", "env.py"}
        if "/versions/" not in name
    ]
    files = installation.run("python", "-c", IMPORT_ALL, *names).splitlines()
    assert len(files) == len(names)
    assert [file for file in files if not Path(file).is_relative_to(installation.folder)] == []
    assert {name.partition(".")[0] for name in names} == set(packages())


def test_installed_command_prints_the_schema(installation: Installation) -> None:
    printed = installation.run("baton", "schema")
    assert printed == (ROOT / "schema/schema.graphql").read_text()


def test_installed_server_answers(installation: Installation) -> None:
    log = installation.folder.parent / "serve.log"
    data_dir = installation.folder.parent / "data"
    given = environment(BATON_DATA_DIR=str(data_dir), BATON_PORT="0")
    with log.open("wb") as output:
        command = [str(installation.folder / "bin/baton"), "serve"]
        process = subprocess.Popen(command, cwd=installation.folder, env=given, stdout=output, stderr=output)
    try:

        def url() -> str | None:
            assert process.poll() is None, log.read_text()
            ready = re.search(r'(http://127\.0\.0\.1:\d+)","event":"serve.ready', log.read_text())
            return ready[1] if ready else None

        answer = httpx.get(f"{wait_for(url, 'the server to answer', 60)}/healthz", trust_env=False)
        assert answer.status_code == 200, answer.text
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
