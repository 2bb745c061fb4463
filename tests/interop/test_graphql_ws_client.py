"""The official `graphql-ws` client understands the live socket."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.baton_client import Workspace
from tests.support.requirements import need

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("node", shutil.which("node") and shutil.which("npm"))
    folder = tmp_path_factory.mktemp("interop")
    for name in ("package.json", "package-lock.json", "follow.mjs"):
        shutil.copy(HERE / name, folder)
    subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    return folder / "follow.mjs"


def test_the_official_client_follows_a_conversation(client: Path, workspace: Workspace) -> None:
    started = workspace.start()
    conversation = started["conversation"]["id"]
    workspace.key.record(conversation, "USER", "from before")
    url = workspace.server.url.replace("http", "ws", 1) + "/graphql"
    arguments = [url, started["widgetToken"], conversation, started["conversation"]["cursor"], "2"]
    with subprocess.Popen(["node", str(client), *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = (json.loads(line) for line in process.stdout)
        assert next(lines) == {"connected": True}
        assert next(lines)["data"]["messageAdded"]["message"]["content"] == "from before"
        workspace.key.record(conversation, "ASSISTANT", "live")
        assert next(lines)["data"]["messageAdded"]["message"]["content"] == "live"
        assert next(lines) == {"refused": "BAD_USER_INPUT"}
        assert next(lines) == {"data": {"viewer": {"kind": "CUSTOMER"}}}
        assert process.wait(20) == 0
