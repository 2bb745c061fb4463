"""Workspaces and callers that the tests of resolvers share."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.baton_client import Caller, Server, Workspace
from tests.support.callers import Rows, Visitor
from tests.support.locks import Scene


@pytest.fixture(scope="module")
def team(server: Server) -> Workspace:
    """One workspace for the module: each test has its own AI agent in it."""
    return server.new_workspace()


@pytest.fixture(scope="module")
def member(team: Workspace) -> Caller:
    """A team member who is signed in."""
    return team.member("bo@example.com")


@pytest.fixture
def agent_id(team: Workspace) -> str:
    """A new AI agent with the default settings."""
    return str(team.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"])


@pytest.fixture
def scene(workspace: Workspace) -> Scene:
    """A new conversation and its callers."""
    return Scene.of(workspace)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client that keeps its connections."""
    with httpx.Client(timeout=30) as opened:
        yield opened


@pytest.fixture
def rows(workspace: Workspace, client: httpx.Client) -> Rows:
    """A row of every kind in the test's own workspace."""
    return Rows(workspace, client)


@pytest.fixture
def nobody(rows: Rows) -> Visitor:
    """A caller without a credential."""
    return rows.key.as_one(None)
