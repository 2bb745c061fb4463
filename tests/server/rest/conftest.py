"""One workspace for all tests of the REST API, with an AI agent for each test, and one of strangers."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx
import pytest

from tests.support.baton_client import Server, Workspace

MEMBER = "jane@example.com"


class Keys(NamedTuple):
    """One credential of each kind."""

    full: str
    reader: str
    hook: str
    revoked_hook: str
    stranger: str
    member: str


@pytest.fixture(scope="session")
def acme(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture(scope="session")
def strangers(server: Server) -> Workspace:
    return server.new_workspace()


@pytest.fixture(scope="session")
def keys(acme: Workspace, strangers: Workspace) -> Keys:
    def key(scope: str) -> str:
        return str(acme.key_with(scope).token)

    return Keys(
        full=acme.api_key,
        reader=key("ESCALATIONS_READ"),
        hook=key("INCOMING_WEBHOOK"),
        revoked_hook=revoked(acme, key("INCOMING_WEBHOOK")),
        stranger=strangers.api_key,
        member=str(acme.member(MEMBER).token),
    )


def revoked(workspace: Workspace, key: str) -> str:
    api_keys = workspace.key.ask("{ apiKeys { id prefix } }")["apiKeys"]
    (key_id,) = (item["id"] for item in api_keys if key.startswith(item["prefix"]))
    workspace.key.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=key_id)
    return key


@pytest.fixture(scope="session")
def as_bearer(server: Server) -> Iterator[Callable[[str], httpx.Client]]:
    """A client with a credential, or with "" without one."""
    clients: list[httpx.Client] = []

    def open_client(token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        clients.append(httpx.Client(base_url=server.url, headers=headers, timeout=30))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def client(as_bearer: Callable[[str], httpx.Client], keys: Keys) -> httpx.Client:
    """A client with a key of every scope."""
    return as_bearer(keys.full)


@pytest.fixture
def agent_id(acme: Workspace) -> str:
    """A new AI agent, so that its list of escalations begins empty."""
    return str(acme.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"])


@pytest.fixture
def started(acme: Workspace, agent_id: str) -> Callable[[], tuple[str, str]]:
    """Starts a conversation with that agent: its id, and a widget token."""

    def start() -> tuple[str, str]:
        begun = acme.key.start(agent_id)
        return begun["conversation"]["id"], begun["widgetToken"]

    return start


@pytest.fixture
def conversation_id(started: Callable[[], tuple[str, str]]) -> str:
    return started()[0]


@pytest.fixture
def foreign_conversation_id(strangers: Workspace) -> str:
    return str(strangers.start()["conversation"]["id"])


@pytest.fixture
def escalation_id(client: httpx.Client, conversation_id: str) -> str:
    """An open escalation of that conversation."""
    response = client.post(f"/conversations/{conversation_id}/escalate", json={"reason": "VIP customer"})
    return str(response.json()["id"])


@pytest.fixture
def reply(acme: Workspace) -> Callable[[str], None]:
    """Answers an escalation as the team member."""

    def answer(escalation_id: str) -> None:
        acme.key.reply(escalation_id, authorEmail=MEMBER)

    return answer
