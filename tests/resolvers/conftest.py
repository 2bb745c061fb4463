"""Workspaces and callers that the tests of resolvers share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.baton_client import Caller, Server, Workspace
from tests.support.callers import Rows, Visitor, World
from tests.support.locks import Scene
from tests.support.slack_server import SlackStandIn
from tests.support.webhook_receivers import Receiver


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


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A world on its own server, so that no other test writes while a refusal is checked."""
    with (
        tempfile.TemporaryDirectory(prefix="baton-permissions-") as folder,
        Receiver() as receiver,
        SlackStandIn.started() as slack,
        httpx.Client(timeout=30) as client,
    ):
        Path(folder).chmod(0o755)
        outside = {"BATON_SLACK_API_URL": slack.url, "BATON_WEBHOOK_ALLOW_PRIVATE": "true"}
        with Server.started(Path(folder), **outside) as server:
            made = World(server, client, receiver, slack)
            for rows in (made.rows, made.elsewhere, made.foreign):
                # The places in the logs first: what follows is what subscriptions replay.
                assert all([rows.cursor, rows.conversation, rows.message, rows.escalation, rows.held])
                assert all([rows.endpoint, rows.delivery, rows.saved_reply])
            yield made
