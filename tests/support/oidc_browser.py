"""A browser that signs in by a provider, without a page: its cookies, and the redirects it follows."""

import secrets
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.baton_client import Server, Workspace
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, FakeProvider

START = "/sign-in/oidc"
# Making a usual one reads all certificates of the system.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass
class OidcBrowser:
    """A browser with an address of its own, so that sign-ins of other tests do not count for it."""

    server: Server
    provider: FakeProvider
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        address = ".".join(["10", *(str(byte) for byte in secrets.token_bytes(3))])
        self.client = httpx.Client(
            headers={"x-forwarded-for": address},
            verify=_NO_TLS,
            trust_env=False,
            timeout=30,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @property
    def session(self) -> str | None:
        """The session cookie."""
        return self.client.cookies.get("baton_session")

    def get(self, url: str) -> httpx.Response:
        return self.client.get(url)

    def start(self, path: str = "/") -> httpx.Response:
        return self.client.get(self.server.url + START, params={"path": path})

    def callback(self, path: str = "/") -> str:
        """Start, sign in at the provider, and return the address that it sends the browser to."""
        return self.provider.callback_of(self.start(path).headers["location"])

    def sign_in(self, path: str = "/") -> httpx.Response:
        """Return Baton's answer to what the provider says."""
        return self.get(self.callback(path))

    def choose(self, member_id: str, **headers: str) -> httpx.Response:
        """Press a button of the page with the workspaces."""
        own = {"origin": self.server.url}
        return self.client.post(f"{self.server.url}{START}/members/{member_id}", headers=own | headers)

    def viewer(self) -> dict[str, Any]:
        """Return the member and the workspace of the session cookie."""
        query = "{ viewer { member { id email role } workspace { id } } }"
        headers = {"origin": self.server.url}
        answer = self.client.post(f"{self.server.url}/graphql", json={"query": query}, headers=headers)
        viewer: dict[str, Any] = answer.json()["data"]["viewer"]
        return viewer


def sessions_of(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the sessions of all members of a workspace."""
    return workspace.server.rows(
        "SELECT m.email, s.method FROM member_sessions s JOIN members m ON m.id = s.member_id "
        "WHERE m.workspace_id = (SELECT workspace_id FROM members WHERE email = $1 LIMIT 1)",
        workspace.email,
    )


def bindings_of(workspace: Workspace) -> dict[str, str | None]:
    """Return the subjects of the members of a workspace, by email."""
    rows = workspace.server.rows(
        "SELECT email, oidc_subject FROM members "
        "WHERE workspace_id = (SELECT workspace_id FROM members WHERE email = $1 LIMIT 1)",
        workspace.email,
    )
    return {row["email"]: row["oidc_subject"] for row in rows}


def assert_nobody_signed_in(
    browser: OidcBrowser, response: httpx.Response, reason: str, workspace: Workspace
) -> None:
    """Assert that Baton has refused, and that no session and no binding exists."""
    assert response.status_code == 303
    target, _, fragment = response.headers["location"].partition("#")
    assert target.startswith(f"{browser.server.url}/app/")
    assert fragment == f"sign-in-refused={reason}"
    assert browser.session is None
    assert sessions_of(workspace) == []
    assert set(bindings_of(workspace).values()) == {None}


@contextmanager
def serving_with(server: Server, provider: FakeProvider, log: Path, **environment: str) -> Iterator[Server]:
    """Run another process of the service, which signs in by the provider."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = Server(server.data_dir, server.owner_url, server.service_url)
    running.log, running.port = log, port
    settings = {
        "BATON_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BATON_OIDC_ISSUER": provider.issuer,
        "BATON_OIDC_CLIENT_ID": CLIENT_ID,
        "BATON_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }
    running.start(**settings | environment)
    try:
        yield running
    finally:
        running.stop()
