"""What callers are told while the database is away, and that it passes."""

import os
import signal
import tempfile
from pathlib import Path

import httpx
from baton_client import Server, wait_for

from server.embedded_place import find_place


# Run by root, the embedded PostgreSQL is another user, who must get in.
def _open(folder: str) -> Path:
    Path(folder).chmod(0o755)
    return Path(folder)


MODERN = "application/graphql-response+json"


def test_graphql_says_so_in_its_own_form_until_the_database_is_back() -> None:
    with tempfile.TemporaryDirectory(prefix="baton-away-") as folder, Server.started(_open(folder)) as server:
        key = server.new_workspace().key
        seen: list[tuple[int, str, str]] = []

        def ask() -> bool:
            answer = httpx.post(
                f"{server.url}/graphql",
                json={"query": "{ viewer { kind } }"},
                headers={**key.headers, "accept": MODERN},
                trust_env=False,
                timeout=40,
            )
            code = answer.json()["errors"][0]["extensions"]["code"] if answer.status_code != 200 else "OK"
            seen.append((answer.status_code, answer.headers["content-type"], code))
            return code == "OK"

        postmaster = find_place(server.data_dir).cluster / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGQUIT)
        assert not ask()
        wait_for(ask, "the database to be started again")
    assert set(seen) == {(500, MODERN, "INTERNAL"), (200, MODERN, "OK")}
