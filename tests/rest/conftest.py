"""A REST server of its own on an embedded PostgreSQL, and two workspaces: one is a stranger to the other."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from models.migrate import migrate
from resolvers.actor import Actor
from resolvers.agent import create_agent
from resolvers.api_key import create_api_key, revoke_api_key
from resolvers.context import Context, House
from resolvers.conversation import Customer, start_conversation
from resolvers.member import NewMember
from resolvers.reply import reply_to_escalation
from resolvers.session import sign_in
from resolvers.workspace import MadeWorkspace, NewWorkspace, make_workspace
from rules.people import EVERY_SCOPE, MemberRole, Scope, ViewerKind
from rules.typeid import AGENT, CONVERSATION, ESCALATION, read_id, spell_id
from server.embedded import embedded_postgres
from server.house import open_house
from server.problems import EXCEPTION_HANDLERS
from server.rest import ROUTES
from server.settings import Settings

T = TypeVar("T")
MEMBER, PASSWORD = "jane@example.com", "correct horse battery"


@dataclass(frozen=True)
class Running:
    """The server, and a way into its event loop."""

    base_url: str
    house: House
    loop: asyncio.AbstractEventLoop

    def do(self, act: Awaitable[T]) -> T:
        async def done() -> T:
            return await act

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(30)


class Keys(NamedTuple):
    """One credential of each kind."""

    full: str
    reader: str
    hook: str
    revoked_hook: str
    stranger: str
    member: str


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    # PostgreSQL's own account has to be able to enter the folder, which pytest's own do not allow.
    folder = Path(tempfile.mkdtemp(prefix="baton-test-", dir="/tmp"))
    folder.chmod(0o755)
    settings = Settings(data_dir=folder, secret_key="a secret for tests")
    with embedded_postgres(folder) as postgres:
        asyncio.run(migrate(postgres.owner_url))
        with served(settings, postgres.service_url) as place:
            yield place
    shutil.rmtree(folder)


@contextmanager
def served(settings: Settings, url: str) -> Iterator[Running]:
    answers: Future[Running] = Future()
    app = Starlette(routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    sock = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        async with open_house(settings, url, live=False) as house:
            app.state.house, app.state.settings = house, settings
            port = sock.getsockname()[1]
            answers.set_result(Running(f"http://127.0.0.1:{port}", house, asyncio.get_running_loop()))
            await server.serve(sockets=[sock])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    yield answers.result(30)
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="session")
def made(running: Running) -> MadeWorkspace:
    admin = NewMember(MEMBER, "Jane", MemberRole.ADMIN, PASSWORD)
    return running.do(make_workspace(running.house, NewWorkspace("Acme", "Robot", admin)))


@pytest.fixture(scope="session")
def context(running: Running, made: MadeWorkspace) -> Context:
    actor = Actor(ViewerKind.API_KEY, made.workspace_id, EVERY_SCOPE, api_key_id=made.api_key_id)
    return Context(running.house, actor)


@pytest.fixture(scope="session")
def strangers(running: Running) -> MadeWorkspace:
    """A workspace of strangers."""
    admin = NewMember("john@example.org", "John", MemberRole.ADMIN, PASSWORD)
    return running.do(make_workspace(running.house, NewWorkspace("Other", "Robot", admin)))


@pytest.fixture(scope="session")
def foreign_conversation_id(running: Running, strangers: MadeWorkspace) -> str:
    actor = Actor(ViewerKind.API_KEY, strangers.workspace_id, EVERY_SCOPE, api_key_id=strangers.api_key_id)
    begun = start_conversation(Context(running.house, actor), strangers.agent.id, Customer())
    return spell_id(CONVERSATION, running.do(begun).conversation_id)


@pytest.fixture(scope="session")
def keys(running: Running, made: MadeWorkspace, strangers: MadeWorkspace, context: Context) -> Keys:
    def key(*scopes: Scope) -> tuple[Any, str]:
        return running.do(create_api_key(context, "test", scopes))

    revoked, revoked_token = key(Scope.INCOMING_WEBHOOK)
    running.do(revoke_api_key(context, revoked.id))
    return Keys(
        full=made.api_key,
        reader=key(Scope.ESCALATIONS_READ)[1],
        hook=key(Scope.INCOMING_WEBHOOK)[1],
        revoked_hook=revoked_token,
        stranger=strangers.api_key,
        member=running.do(sign_in(Context(running.house), MEMBER, PASSWORD)).token,
    )


@pytest.fixture(scope="session")
def as_bearer(running: Running) -> Iterator[Callable[[str], httpx.Client]]:
    """A client with a credential."""
    clients: list[httpx.Client] = []

    def open_client(token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        clients.append(httpx.Client(base_url=running.base_url, headers=headers, timeout=30))
        return clients[-1]

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def client(as_bearer: Callable[[str], httpx.Client], keys: Keys) -> httpx.Client:
    """A client with a key of every scope."""
    return as_bearer(keys.full)


@pytest.fixture
def agent_id(running: Running, context: Context) -> str:
    """A new AI agent, so that its list of escalations begins empty."""
    return spell_id(AGENT, running.do(create_agent(context, "Robot")).id)


@pytest.fixture
def started(running: Running, context: Context, agent_id: str) -> Callable[[], tuple[str, str]]:
    """Starts a conversation with that agent: its id, and a widget token."""

    def start() -> tuple[str, str]:
        agent = read_id(AGENT, agent_id)
        conversation = running.do(start_conversation(context, agent, Customer()))
        return spell_id(CONVERSATION, conversation.conversation_id), conversation.widget_token

    return start


@pytest.fixture
def conversation_id(started: Callable[[], tuple[str, str]]) -> str:
    return started()[0]


@pytest.fixture
def reply(running: Running, context: Context) -> Callable[[str], None]:
    """Answers an escalation as the team member."""

    def answer(escalation_id: str) -> None:
        key = read_id(ESCALATION, escalation_id)
        running.do(reply_to_escalation(context, key, "Here I am.", MEMBER))

    return answer


@pytest.fixture
def escalation_id(client: httpx.Client, conversation_id: str) -> str:
    """An open escalation of that conversation."""
    response = client.post(f"/conversations/{conversation_id}/escalate", json={"reason": "VIP customer"})
    return str(response.json()["id"])
