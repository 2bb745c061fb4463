"""A client of a running Baton, through its public entry points."""

import asyncio
import json
import re
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from resolvers.member import NewMember
from resolvers.workspace import NewWorkspace, make_workspace
from rules.roles import MemberRole
from rules.typeid import AGENT, WORKSPACE, format_id, parse_id
from tests.support import database_connections
from tests.support.baton_process import WIDE_LIMITS, BatonProcess
from tests.support.copied_database import copied_database
from tests.support.kept_services import kept_services

T = TypeVar("T")

BATON = Path(sys.executable).with_name("baton")
# The costliest of the hostile documents once took hours, and a list of 10,000 values 25 s.
MOST_CPU_SECONDS = 1.0
PASSWORD = "correct horse battery"
# It costs time only when a test fails, and a busy machine is slow.
DEADLINE = 60.0
PROTOCOL = Subprotocol("graphql-transport-ws")

# One for all: making one costs more than a request. Nothing is kept alive, as servers come and go.
_HTTP = httpx.Client(
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    trust_env=False,
    timeout=30,
    limits=httpx.Limits(max_keepalive_connections=0),
)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait until `condition` returns something true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


class Refused(AssertionError):
    """The API answered with errors."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors, indent=1))
        self.errors = errors

    @property
    def code(self) -> str:
        return str(self.errors[0]["extensions"]["code"])

    @property
    def field(self) -> str | None:
        return cast("str | None", self.errors[0]["extensions"].get("field"))


@dataclass
class Caller:
    """A caller with or without a credential."""

    url: str
    token: str | None = None

    def post(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a GraphQL request and return the whole answer."""
        answer = _HTTP.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables or {}},
            headers=self.headers | {"accept": "application/graphql-response+json"},
        )
        _HTTP.cookies.clear()  # the client is shared by all callers, a session is not
        return cast("dict[str, Any]", answer.json())

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"} if self.token else {}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL request and return the data. Raises Refused."""
        answer = self.post(query, variables)
        if "errors" in answer:
            raise Refused(answer["errors"])
        data: dict[str, Any] = answer["data"]
        return data

    def refusal(self, query: str, **variables: Any) -> Refused:
        """Return the refusal of a request. Fails if it is answered."""
        try:
            data = self.ask(query, **variables)
        except Refused as refused:
            return refused
        raise AssertionError(f"was not refused: {data}")

    def start(self, agent_id: str, **more: Any) -> dict[str, Any]:
        """startConversation's payload."""
        query = """mutation($input: StartConversationInput!) { startConversation(input: $input) {
            conversation { id cursor ai { state epoch pausedBy } } widgetToken widgetTokenExpiresAt } }"""
        start_conversation: dict[str, Any] = self.ask(query, input={"agentId": agent_id, **more})[
            "startConversation"
        ]
        return start_conversation

    def record(self, conversation: str, role: str, content: str, **more: Any) -> dict[str, Any]:
        """recordMessage's payload."""
        query = """mutation($input: RecordMessageInput!) { recordMessage(input: $input) {
            message { id position role status content } ai { state epoch pausedBy }
            escalation { id status } } }"""
        given = {"conversationId": conversation, "role": role, "content": content, **more}
        record_message: dict[str, Any] = self.ask(query, input=given)["recordMessage"]
        return record_message

    def escalate(self, conversation: str, reason: str = "needs a person", **more: Any) -> dict[str, Any]:
        """escalateConversation's payload."""
        query = """mutation($input: EscalateConversationInput!) { escalateConversation(input: $input) {
            created confirmationMessage escalation { id status priority trigger reason version
            assignee { email } } } }"""
        given = {"conversationId": conversation, "reason": reason, **more}
        escalate_conversation: dict[str, Any] = self.ask(query, input=given)["escalateConversation"]
        return escalate_conversation

    def reply(self, escalation: str, content: str = "A person here.", **more: Any) -> dict[str, Any]:
        """replyToEscalation's payload."""
        query = """mutation($input: ReplyInput!) { replyToEscalation(input: $input) {
            message { id position role status content author { email } }
            escalation { id status version assignee { email } sla { outcome metAt } } } }"""
        given = {"escalationId": escalation, "content": content, **more}
        reply_to_escalation: dict[str, Any] = self.ask(query, input=given)["replyToEscalation"]
        return reply_to_escalation

    def resolve(self, escalation: str, **more: Any) -> dict[str, Any]:
        """Resolve an escalation and return it."""
        query = """mutation($input: ResolveEscalationInput!) { resolveEscalation(input: $input) {
            escalation { id status version resolvedAt resolution { note disposition keptAiPaused
            resolvedBy { email } } sla { outcome status } } } }"""
        given = {"escalationId": escalation, **more}
        result: dict[str, Any] = self.ask(query, input=given)["resolveEscalation"]["escalation"]
        return result

    def settings(self, agent_id: str, **changes: Any) -> dict[str, Any]:
        """Update the settings and return them."""
        query = """mutation($input: UpdateEscalationSettingsInput!) {
            updateEscalationSettings(input: $input) { settings { version } } }"""
        given = {"agentId": agent_id, **changes}
        settings: dict[str, Any] = self.ask(query, input=given)["updateEscalationSettings"]["settings"]
        return settings

    def messages(self, conversation: str) -> list[dict[str, Any]]:
        """Return the conversation's messages that this caller sees."""
        query = """query($id: ID!) { conversation(id: $id) { messages(first: 100) {
            nodes { id position role status content } } } }"""
        nodes: list[dict[str, Any]] = self.ask(query, id=conversation)["conversation"]["messages"]["nodes"]
        return nodes

    def conversation(self, conversation: str) -> dict[str, Any]:
        """Return the control state and the escalations, newest first."""
        query = """query($id: ID!) { conversation(id: $id) { id cursor ai { state epoch pausedBy pausedAt }
            button { visible text } activeEscalation { id status }
            escalations { nodes { id status } } } }"""
        result: dict[str, Any] = self.ask(query, id=conversation)["conversation"]
        return result

    def escalation(self, escalation: str) -> dict[str, Any]:
        """All of an escalation."""
        query = """query($id: ID!) { escalation(id: $id) { id status priority trigger reason detail
            confidence version createdAt firstRespondedAt resolvedAt assignee { id email name }
            triggers { trigger reason detail confidence count }
            notes { body author { email } }
            resolution { note disposition keptAiPaused }
            sla { status outcome targetMinutes startedAt atRiskAt dueAt metAt breachedAt remainingMinutes
                  segments { from to running label } }
            timeline(first: 100) { nodes { kind data actor { email } } } } }"""
        result: dict[str, Any] = self.ask(query, id=escalation)["escalation"]
        return result

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator["Socket"]:
        """Open a graphql-transport-ws socket and wait for connection_ack."""
        url = self.url.replace("http", "ws", 1) + "/graphql"
        async with connect(url, subprotocols=[PROTOCOL], **options) as raw:
            socket = Socket(raw)
            payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
            await socket.send(type="connection_init", payload=payload)
            assert (await socket.receive())["type"] == "connection_ack"
            yield socket


@dataclass
class Socket:
    """A client's end of a live socket."""

    raw: ClientConnection
    _ids: int = 0
    _waiting: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, **message: Any) -> None:
        await self.raw.send(json.dumps(message))

    async def receive(self, seconds: float = DEADLINE) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            result: dict[str, Any] = json.loads(await self.raw.recv())
            return result

    async def subscribe(self, query: str, **variables: Any) -> str:
        """Start an operation and return its id."""
        self._ids += 1
        payload = {"query": query, "variables": variables}
        await self.send(id=str(self._ids), type="subscribe", payload=payload)
        return str(self._ids)

    async def next(self, id_: str, seconds: float = DEADLINE) -> dict[str, Any]:
        """Return the data of an operation's next result. Results of others are kept."""
        async with asyncio.timeout(seconds):
            while True:
                for place, message in enumerate(self._waiting):
                    if message.get("id") == id_:
                        del self._waiting[place]
                        return self._data(message)
                self._waiting.append(await self.receive(seconds))

    @staticmethod
    def _data(message: dict[str, Any]) -> dict[str, Any]:
        if message["type"] == "error":
            raise Refused(message["payload"])
        assert message["type"] == "next", message
        if "errors" in message["payload"]:
            raise Refused(message["payload"]["errors"])
        data: dict[str, Any] = message["payload"]["data"]
        return data


@dataclass
class Workspace:
    """A workspace with an AI agent, an admin and an API key of every scope."""

    server: "Server"
    id: str
    agent_id: str
    api_key: str
    email: str

    @property
    def key(self) -> Caller:
        """The API key's holder."""
        return Caller(self.server.url, self.api_key)

    @property
    def nobody(self) -> Caller:
        """Return a caller without a credential."""
        return Caller(self.server.url)

    def widget(self, started: dict[str, Any]) -> Caller:
        """Return the customer of a conversation."""
        return Caller(self.server.url, started["widgetToken"])

    def sign_in(self, email: str | None = None, password: str = PASSWORD) -> Caller:
        """Sign in a team member, by default the admin."""
        query = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"
        token = self.nobody.ask(query, e=email or self.email, p=password)["signIn"]["token"]
        return Caller(self.server.url, token)

    def member(self, email: str, role: str = "AGENT") -> Caller:
        """Create a team member and sign in."""
        query = "mutation($input: CreateMemberInput!) { createMember(input: $input) { member { id } } }"
        given = {"email": email, "name": email.partition("@")[0], "role": role, "password": PASSWORD}
        self.key.ask(query, input=given)
        return self.sign_in(email)

    def end_sessions(self) -> None:
        """End the sessions of this workspace's members; other tests of the server keep theirs."""
        self.server.execute(
            "DELETE FROM member_sessions WHERE member_id IN (SELECT id FROM members WHERE workspace_id = $1)",
            parse_id(WORKSPACE, self.id),
        )

    def key_with(self, *scopes: str) -> Caller:
        """Create an API key with exactly these scopes and return its holder."""
        query = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }"
        key = self.key.ask(query, input={"name": "a key", "scopes": list(scopes)})["createApiKey"]["key"]
        return Caller(self.server.url, key)

    def start(self, **more: Any) -> dict[str, Any]:
        """Start a conversation and return startConversation's payload."""
        return self.key.start(self.agent_id, **more)


_WORKSPACES = iter(range(1, 1_000_000))


@contextmanager
def inexpensive(server: "Server") -> Iterator[None]:
    """Check that the server uses little CPU for what runs inside."""
    began = server.cpu_seconds()
    yield
    assert server.cpu_seconds() - began < MOST_CPU_SECONDS


class Server:
    """A `baton serve` process on an embedded PostgreSQL."""

    def __init__(self, data_dir: Path, owner_url: str, service_url: str) -> None:
        self.data_dir = data_dir
        self.owner_url = owner_url
        self.service_url = service_url
        self.port = 0
        self.process: BatonProcess | None = None
        self.log = data_dir / "serve.log"

    @classmethod
    @contextmanager
    def started(cls, data_dir: Path, **environment: str) -> Iterator["Server"]:
        """Run a server that answers, and stop it at the end."""
        with copied_database(data_dir) as urls:
            server = cls(data_dir, urls.owner_url, urls.service_url)
            server.start(**environment)
            try:
                yield server
            finally:
                server.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **environment: str) -> None:
        """Start the process and wait until it answers. A restart keeps the port.

        Limits of calls are out of the tests' way, unless `environment` sets them. An empty value unsets a
        variable.
        """
        own = {"BATON_DATA_DIR": str(self.data_dir), "BATON_PORT": str(self.port)}
        given = own | WIDE_LIMITS | environment
        begun = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = BatonProcess("serve", environment=given, output=log)

        def ready() -> str | None:
            assert self.process is not None
            written = self.log.read_bytes()[begun:].decode()
            assert self.process.poll() is None, written
            result = re.search(r"http://127\.0\.0\.1:(\d+)\",\"event\":\"serve.ready", written)
            return result[1] if result else None

        self.port = int(wait_for(ready, "the server to answer", 60))

    def stop(self, number: int = signal.SIGTERM, seconds: float = 30) -> int:
        """End the process and return its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def cpu_seconds(self) -> float:
        """Return the CPU that the server has used: unlike time, it is not prolonged by what else runs."""
        assert self.process is not None
        return self.process.cpu_seconds()

    def new_workspace(self, email: str | None = None, password: str = PASSWORD) -> Workspace:
        """Create a workspace like `baton init`, without a process."""
        email = email or f"admin{next(_WORKSPACES)}@example.com"
        admin = NewMember(email, "Ada Admin", MemberRole.ADMIN, password)
        new = NewWorkspace("A workspace", "An AI agent", admin)

        async def make() -> Workspace:
            made = await make_workspace(await kept_services(self.data_dir, self.service_url), new)
            workspace_id, agent_id = format_id(WORKSPACE, made.workspace_id), format_id(AGENT, made.agent.id)
            return Workspace(self, workspace_id, agent_id, made.api_key, email)

        return database_connections.run(make())

    def execute(self, statement: str, *values: Any) -> None:
        """Change the database directly, like time or an accident."""
        self.rows(statement, *values)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """Return rows of the database, for tests that assert that nothing changed."""
        return database_connections.query(self.owner_url, query, *values)
