"""Official clients, as npm installs them."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.support.requirements import need

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs/clients.md"
# A code block of the document that has a file name.
SNIPPET = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.M | re.S)

# Starts a script with arguments, and stops it when the block ends.
Node = Callable[..., AbstractContextManager["subprocess.Popen[str]"]]


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    need("node", shutil.which("node") and shutil.which("npm"))
    folder = tmp_path_factory.mktemp("interop")
    for path in (HERE / "package.json", HERE / "package-lock.json", *HERE.glob("*.mjs")):
        shutil.copy(path, folder)
    for name, code in SNIPPET.findall(DOCUMENT.read_text()):
        (folder / name).write_text(code)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)

    @contextmanager
    def started(
        script: str, *arguments: str, output: IO[str] | int = subprocess.PIPE
    ) -> Iterator["subprocess.Popen[str]"]:
        command = ["node", str(folder / script), *arguments]
        with subprocess.Popen(command, stdout=output, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return started
