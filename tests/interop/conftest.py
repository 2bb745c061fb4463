"""Official clients, as npm installs them."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.requirements import need

HERE = Path(__file__).parent

# Start a script with arguments; its output are lines.
Node = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    need("node", shutil.which("node") and shutil.which("npm"))
    folder = tmp_path_factory.mktemp("interop")
    for path in (HERE / "package.json", HERE / "package-lock.json", *HERE.glob("*.mjs")):
        shutil.copy(path, folder)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)

    @contextmanager
    def started(script: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        command = ["node", str(folder / script), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return started
