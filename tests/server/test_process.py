"""The command as a process: what it says of wrong settings, and how it stops."""

import json
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.baton_client import Caller, Server, wait_for
from tests.support.baton_process import run_baton

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"BATON_DATABASE_URL": "mysql://localhost/baton"},
            "BATON_DATABASE_URL: must begin with postgresql://",
        ),
        ({"BATON_PORT": "99999"}, "BATON_PORT"),
        ({"BATON_SECRET_KEY": "short"}, "BATON_SECRET_KEY: has 5 characters"),
        ({"BATON_SECRET_KEY": "changeme" * 8}, "BATON_SECRET_KEY: contains a well-known sample value"),
        ({"BATON_BROADCAST_URL": "http://localhost"}, "BATON_BROADCAST_URL: must begin with redis://"),
        ({"BATON_DATABASE_URL": "postgresql://baton:secret@127.0.0.1:1/baton"}, "Check that it runs"),
    ],
)
def test_wrong_setting_is_explained(environment: dict[str, str], said: str, own_dir: Path) -> None:
    answer = run_baton("serve", **{"BATON_DATA_DIR": str(own_dir), "BATON_PORT": "0", **environment})
    assert answer.returncode == 1
    assert said in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert "secret@" not in answer.stderr


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_empty_secret_key_file_stops_the_start_before_anything_else(own_dir: Path, command: str) -> None:
    (own_dir / "secret_key").touch()
    answer = run_baton(command, BATON_DATA_DIR=str(own_dir), BATON_PORT="0")
    assert answer.returncode == 1
    assert f"{own_dir}/secret_key has 0 characters" in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert [path.name for path in own_dir.iterdir()] == ["secret_key"]


def test_unknown_setting_is_a_warning(own_dir: Path) -> None:
    answer = run_baton("migrate", BATON_DATA_DIR=str(own_dir), BATON_DATABSE_URL="postgresql://x")
    assert answer.returncode == 0, answer.stderr
    assert "BATON_DATABSE_URL" in answer.stderr


def test_init_prints_a_workspace_that_works(server: Server) -> None:
    made = json.loads(run_baton("init", "--json", BATON_DATA_DIR=str(server.data_dir)).stdout)
    assert set(made) == {"workspaceId", "agentId", "apiKey", "member"}
    viewer = Caller(server.url, made["apiKey"]).ask("{ viewer { workspace { id } kind scopes } }")["viewer"]
    assert viewer["workspace"]["id"] == made["workspaceId"]
    member = made["member"]
    signed_in = Caller(server.url).ask(
        "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { member { role } } }",
        e=member["email"],
        p=member["password"],
    )
    assert signed_in["signIn"]["member"]["role"] == "ADMIN"


async def test_sigterm_sends_sockets_away_and_ends_the_database_too(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        started = workspace.start()
        query = "subscription($id: ID!) { messageAdded(conversationId: $id) { cursor } }"
        async with workspace.key.socket() as socket:
            await socket.subscribe(query, id=started["conversation"]["id"])
            assert server.process is not None
            server.process.send_signal(signal.SIGTERM)
            await socket.raw.wait_closed()
            assert socket.raw.close_code == 1012
        wait_for(lambda: server.process and server.process.poll() == 0, "the process to end")
        server.process = None
    # The last to leave stops PostgreSQL: its postmaster's file is gone.
    assert list(own_dir.rglob("postmaster.pid")) == []


def test_sigterm_ends_with_300_half_sent_requests_open(own_dir: Path) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    halves = (head, head + b"\r\n", head + b"\r\n{")
    with Server.started(own_dir) as server, ExitStack() as closing:
        opened = []
        for number in range(300):
            connection = socket.create_connection(("127.0.0.1", server.port))
            opened.append(closing.enter_context(connection))
            connection.sendall(halves[number % 3])
        metrics = f"{server.url}/metrics"
        wait_for(lambda: "baton_open_connections 301.0" in httpx.get(metrics).text, "the connections")
        # Requests without a body end after 30 seconds, so the stop does not wait for them.
        assert server.stop(seconds=20) == 0
        log = server.log.read_text()
    assert "Traceback" not in log
    events = [json.loads(line) for line in log.splitlines()]
    assert [event for event in events if event["level"] in {"error", "critical"}] == []
    assert list(own_dir.rglob("postmaster.pid")) == []


def test_committed_rows_survive_kill_9_of_everything(own_dir: Path) -> None:
    with Server.started(own_dir) as server:
        workspace = server.new_workspace()
        conversation = workspace.start()["conversation"]["id"]
        workspace.key.record(conversation, "USER", "do not forget me")
        server.stop(signal.SIGKILL)
        postmaster = int(next(own_dir.rglob("postmaster.pid")).read_text().split()[0])
        os.kill(postmaster, signal.SIGKILL)
    with Server.started(own_dir) as server:
        caller = Caller(server.url, workspace.api_key)
        assert [message["content"] for message in caller.messages(conversation)] == ["do not forget me"]
