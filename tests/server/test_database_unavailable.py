"""Answers while the database is unavailable, and the recovery."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import httpx
import pytest

from server.embedded.location import cluster_location
from tests.support.baton_client import Caller, Refused, Server, wait_for


# Run by root, the embedded PostgreSQL is another user, who must get in.
def _open(folder: str) -> Path:
    Path(folder).chmod(0o755)
    return Path(folder)


MODERN = "application/graphql-response+json"


def test_graphql_says_so_in_its_own_form_until_the_database_is_back() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-away-") as folder, Server.started(_open(folder)) as server:
        key = server.new_workspace().key
        seen: list[tuple[int, str, str, str | None]] = []

        def ask() -> bool:
            answer = httpx.post(
                f"{server.url}/graphql",
                json={"query": "{ viewer { kind } }"},
                headers={**key.headers, "accept": MODERN},
                trust_env=False,
                timeout=40,
            )
            code = answer.json()["errors"][0]["extensions"]["code"] if answer.status_code != 200 else "OK"
            headers = answer.headers
            seen.append((answer.status_code, headers["content-type"], code, headers.get("retry-after")))
            return code == "OK"

        postmaster = cluster_location(server.data_dir).cluster / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
        assert not ask()
        wait_for(ask, "the database to be started again")
    assert set(seen) == {(503, MODERN, "UNAVAILABLE", "1"), (200, MODERN, "OK", None)}


def test_rest_says_so_in_its_own_form_until_the_database_is_back() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-away-") as folder, Server.started(_open(folder)) as server:
        key = server.new_workspace().key
        postmaster = cluster_location(server.data_dir).cluster / "postmaster.pid"

        def ask() -> httpx.Response:
            return httpx.get(f"{server.url}/escalations", headers=key.headers, trust_env=False, timeout=40)

        assert ask().status_code == 200
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
        away = ask()
        assert (away.status_code, away.headers["retry-after"]) == (503, "1")
        problem = away.json()
        assert (problem["code"], problem["status"]) == ("UNAVAILABLE", 503)
        assert "Try again" in problem["detail"]
        wait_for(lambda: ask().status_code == 200, "the database to be started again")


MESSAGES = """subscription($id: ID!, $after: String) {
    messageAdded(conversationId: $id, after: $after) { message { content } } }"""


@pytest.mark.anyio
async def test_open_subscription_continues_and_misses_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-away-") as folder, Server.started(_open(folder)) as server:
        workspace = server.new_workspace()
        key, begun = workspace.key, workspace.start()["conversation"]
        async with key.socket() as socket:
            before = await socket.subscribe(MESSAGES, id=begun["id"], after=begun["cursor"])
            postmaster = cluster_location(server.data_dir).cluster / "postmaster.pid"
            await socket.send(type="ping")
            assert await socket.receive() == {"type": "pong"}
            os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
            meanwhile = await socket.subscribe(MESSAGES, id=begun["id"], after=begun["cursor"])
            recorded = await asyncio.to_thread(_record, key, begun["id"])
            for id_ in (before, meanwhile):
                event = (await socket.next(id_))["messageAdded"]
                assert event["message"]["content"] == recorded


def _record(key: Caller, conversation: str) -> str:
    """Record a message as soon as the database is back."""

    def content() -> str | None:
        try:
            return str(key.record(conversation, "USER", "Still there?")["message"]["content"])
        except Refused:
            return None

    return str(wait_for(content, "the database to be started again"))
