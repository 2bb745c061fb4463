"""Two workspaces and everybody who may call, for the tests of who may do what."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count, cycle
from typing import Any

import httpx

from models.ids import new_id
from resolvers.actor import ActorKind
from resolvers.credentials import WidgetTokens
from rules.roles import EVERY_SCOPE, SCOPES_OF_ROLE, MemberRole, Scope
from rules.typeid import AGENT, CONVERSATION, DELIVERY, ESCALATION, WORKSPACE, format_id, parse_id
from tests.support.baton_client import PASSWORD, Caller, Server, Workspace, wait_for
from tests.support.slack_server import SlackStandIn
from tests.support.table_dump import WITHOUT_USE
from tests.support.webhook_receivers import Receiver

_ADDRESSES = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in count(1))


@dataclass
class Visitor(Caller):
    """
    A caller on a connection that is kept, each time from another address.

    Attempts to sign in are counted by address, and the server believes a proxy of its own machine.
    """

    client: httpx.Client = field(default_factory=httpx.Client, kw_only=True)

    def send(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a GraphQL request and return the response."""
        response = self.client.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables or {}},
            headers={"x-forwarded-for": next(_ADDRESSES)} | self.headers | headers,
        )
        # The connection is everybody's; a session that is opened on it is not.
        self.client.cookies.clear()
        return response

    def post(self, query: str, variables: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = self.send(query, variables).json()
        return result

    def as_one(self, token: str | None) -> "Visitor":
        """Return another caller on the same connection."""
        return Visitor(self.url, token, client=self.client)

    def sign_in(self, email: str, password: str = PASSWORD) -> "Visitor":
        """Sign in a member in a new session."""
        query = "mutation($e: String!, $p: String!) { signIn(email: $e, password: $p) { token } }"
        return self.as_one(self.as_one(None).ask(query, e=email, p=password)["signIn"]["token"])


class Rows:
    """The target rows of one workspace. Each is created at its first use."""

    def __init__(self, workspace: Workspace, client: httpx.Client, hook: str = "") -> None:
        self.workspace = workspace
        self.key = Visitor(workspace.server.url, workspace.api_key, client=client)
        self.agent = workspace.agent_id
        self.hook = hook

    @cached_property
    def cursor(self) -> str:
        """A place in the workspace's log."""
        return str(self.key.ask("{ escalations { cursor } }")["escalations"]["cursor"])

    @cached_property
    def started(self) -> dict[str, Any]:
        return self.key.start(self.agent, customer={"name": "Kim Customer", "email": "kim@example.com"})

    @property
    def conversation(self) -> str:
        return str(self.started["conversation"]["id"])

    @property
    def conversation_cursor(self) -> str:
        return str(self.started["conversation"]["cursor"])

    @property
    def widget(self) -> str:
        return str(self.started["widgetToken"])

    @cached_property
    def message(self) -> str:
        """A customer's message, through the widget: the AI is asked for its turn."""
        customer = self.key.as_one(self.widget)
        return str(customer.record(self.conversation, "USER", "Where is my parcel?")["message"]["id"])

    @cached_property
    def escalation(self) -> str:
        return str(self.key.escalate(self.conversation)["escalation"]["id"])

    @cached_property
    def held(self) -> str:
        """A draft of the AI that was held."""
        assert self.escalation
        message = self.key.record(self.conversation, "ASSISTANT", "A draft", confidence=12.5)["message"]
        assert message["status"] == "HELD"
        return str(message["id"])

    @cached_property
    def resolved(self) -> str:
        return str(self.key.resolve(self.escalation)["id"])

    @cached_property
    def invited(self) -> dict[str, Any]:
        """A member who has been invited."""
        query = """mutation($input: CreateMemberInput!) {
            createMember(input: $input) { member { id email } invitationToken } }"""
        given = {"email": new_email(), "name": "Ina Invited", "role": "VIEWER"}
        create_member: dict[str, Any] = self.key.ask(query, input=given)["createMember"]
        return create_member

    @property
    def member(self) -> str:
        return str(self.invited["member"]["id"])

    @cached_property
    def api_key(self) -> str:
        return self.create_key("VIEWER of nothing", Scope.ANALYTICS_READ)[0]

    @property
    def new_endpoint(self) -> dict[str, Any]:
        """Create a webhook endpoint that receives no event of these tests."""
        return {"agentId": self.agent, "url": self.hook, "eventTypes": ["escalation.sla_at_risk"]}

    @cached_property
    def endpoint(self) -> str:
        query = """mutation($i: CreateWebhookEndpointInput!) {
            createWebhookEndpoint(input: $i) { endpoint { id } } }"""
        return str(self.key.ask(query, i=self.new_endpoint)["createWebhookEndpoint"]["endpoint"]["id"])

    @cached_property
    def saved_reply(self) -> str:
        query = "mutation($i: SavedReplyInput!) { createSavedReply(input: $i) { id } }"
        return str(self.key.ask(query, i=new_saved_reply())["createSavedReply"]["id"])

    @cached_property
    def delivery(self) -> str:
        """Return a failed mail to an address that is no recipient."""
        key, target, server = new_id(), new_id(), self.workspace.server
        server.execute(
            """INSERT INTO delivery_targets (id, workspace_id, channel, key) VALUES ($1, $2, 'EMAIL', $3)""",
            *(target, parse_id(WORKSPACE, self.workspace.id), f"{target}@example.com"),
        )
        server.execute(
            """INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type,
                escalation_id, occurred_at, status, ended_at)
            SELECT $1, workspace_id, $2, id, channel, key, 'escalation.created', $3, now(), 'FAILED', now()
            FROM delivery_targets WHERE id = $4""",
            *(key, parse_id(AGENT, self.agent), parse_id(ESCALATION, self.escalation), target),
        )
        return format_id(DELIVERY, key)

    def create_key(self, name: str, *scopes: Scope) -> tuple[str, str]:
        """Create an API key and return its id and the key."""
        query = "mutation($i: CreateApiKeyInput!) { createApiKey(input: $i) { apiKey { id } key } }"
        made = self.key.ask(query, i={"name": name, "scopes": list(scopes)})["createApiKey"]
        return made["apiKey"]["id"], made["key"]

    @cached_property
    def _signers(self) -> Iterator[str]:
        return cycle([self.create_member(MemberRole.VIEWER) for _ in range(2)])

    @property
    def email(self) -> str:
        """The address of one of two members in turn: attempts are counted by address."""
        return next(self._signers)

    def create_member(self, role: MemberRole) -> str:
        """Create a member with the usual password and return the address."""
        query = "mutation($input: CreateMemberInput!) { createMember(input: $input) { member { id } } }"
        given = {"email": new_email(), "name": f"Some {role}", "role": role, "password": PASSWORD}
        self.key.ask(query, input=given)
        return given["email"]

    @property
    def ids(self) -> set[str]:
        """Every id that has been made so far, and what else must stay within the workspace."""
        made = {"message", "escalation", "held", "resolved", "api_key", "endpoint", "delivery"}
        parts = made & vars(self).keys()
        result = {str(vars(self)[name]) for name in parts} | {self.workspace.id, self.agent}
        if "started" in vars(self):
            result |= {self.conversation, self.widget}
        return result | ({self.member} if "invited" in vars(self) else set())


_PEOPLE = count(1)
_SHORTCUTS = count(1)


def new_saved_reply() -> dict[str, str]:
    """Return a saved reply with an unused shortcut."""
    return {"shortcut": f"hello{next(_SHORTCUTS)}", "title": "Greeting", "content": "Hello {customer}!"}


def new_email() -> str:
    """Return an unused address."""
    return f"person{next(_PEOPLE)}@example.com"


@dataclass(frozen=True)
class Who:
    """A kind of credential. A customer's `own` token opens the conversation that is aimed at."""

    name: str
    kind: ActorKind | None = None
    scopes: frozenset[Scope] = frozenset()
    role: MemberRole | None = None
    own: bool = True
    expired: bool = False
    revoked: bool = False

    @property
    def is_customer(self) -> bool:
        return self.kind is ActorKind.CUSTOMER


_KEYS = (
    *(Who(f"key of {scope}", ActorKind.API_KEY, frozenset({scope})) for scope in Scope),
    Who("full key", ActorKind.API_KEY, EVERY_SCOPE),
    Who("revoked key", ActorKind.API_KEY, EVERY_SCOPE, revoked=True),
)
_MEMBERS = tuple(
    Who(f"member {role}", ActorKind.TEAM_MEMBER, SCOPES_OF_ROLE[role], role) for role in MemberRole
)
_CUSTOMERS = (
    Who("customer", ActorKind.CUSTOMER),
    Who("customer of another conversation", ActorKind.CUSTOMER, own=False),
    Who("customer, expired", ActorKind.CUSTOMER, expired=True),
)
EVERYBODY = (Who("nobody"), *_KEYS, *_MEMBERS, *_CUSTOMERS)
BY_NAME = {who.name: who for who in EVERYBODY}
# Enough of them for what is the same for all: one of each kind, with every right and with none.
ABROAD = tuple(
    who
    for who in EVERYBODY
    if not who.scopes
    or who.scopes >= EVERY_SCOPE
    or who.scopes & {Scope.ANALYTICS_READ, Scope.INCOMING_WEBHOOK}
)


# A job too many finds nothing to do: when one came while another was at it, half a minute later.
_IDLE = """DELETE FROM pgqueuer WHERE entrypoint = 'deliveries' AND status = 'queued' AND NOT EXISTS (
    SELECT 1 FROM deliveries WHERE uuid_send(target_id) = payload AND status = 'PENDING')"""
# What the worker still has to do about what has happened.
_BUSY = """SELECT 1 FROM planned_logs JOIN streams ON id = workspace_id WHERE position < head
    UNION ALL SELECT 1 FROM pgqueuer WHERE entrypoint IN ('deliveries', 'digest')"""


class World:
    """A workspace with everybody in it, `elsewhere` in it another conversation, and a foreign workspace."""

    def __init__(self, server: Server, client: httpx.Client, receiver: Receiver, slack: SlackStandIn) -> None:
        self.server = server
        self.client = client
        self._receiver, self._slack = receiver, slack
        workspace, foreign = server.new_workspace(), server.new_workspace()
        self.rows, self.elsewhere, self.foreign = (
            Rows(item, client, receiver.url) for item in (workspace, workspace, foreign)
        )
        self._keys = {who.name: self._make_key(who) for who in _KEYS}
        self._emails = {role: self.rows.create_member(role) for role in MemberRole}
        self._sessions: dict[MemberRole, str] = {}
        for role in MemberRole:
            self.sign_in(role)

    def fresh(self, rows: Rows) -> Rows:
        """Return unused rows of the same workspace."""
        return Rows(rows.workspace, self.client, rows.hook)

    def _make_key(self, who: Who) -> str:
        key_id, key = self.rows.create_key(who.name, *sorted(who.scopes))
        if who.revoked:
            self.rows.key.ask("mutation($id: ID!) { revokeApiKey(id: $id) { id } }", id=key_id)
        return key

    def sign_in(self, role: MemberRole) -> None:
        """Give the member of that role a new session."""
        self._sessions[role] = str(self.rows.key.sign_in(self._emails[role]).token)

    def at_home(self, rows: Rows) -> bool:
        """Return true if the rows belong to the callers' workspace."""
        return rows.workspace is self.rows.workspace

    def caller(self, who: Who, aimed: Rows) -> Visitor:
        """One of everybody; a customer's token opens a conversation of this workspace."""
        if who.is_customer:
            return self.rows.key.as_one(self._widget(who, aimed if self.at_home(aimed) else self.rows))
        if who.role:
            return self.rows.key.as_one(self._sessions[who.role])
        return self.rows.key.as_one(self._keys.get(who.name))

    def _widget(self, who: Who, aimed: Rows) -> str:
        if who.expired:
            return mint_widget_token(self.server, aimed.conversation, timedelta(hours=2))
        return aimed.widget if who.own else self.elsewhere.widget

    def fingerprint(self) -> dict[str, Any]:
        """
        Every table's rows, without what changes by mere use.

        That is when and from where a key or session was last presented.

        And how often others outside were turned to: Slack, and a receiver of webhooks.
        """
        wait_for(self._is_quiet, "the worker to have nothing to do")
        parts = [
            f"SELECT '{table}' AS name, count(*) AS rows, md5(string_agg(md5(row), '' ORDER BY row)) AS sum"
            f' FROM (SELECT (to_jsonb(t) {WITHOUT_USE})::text AS row FROM "{table}" t) AS found'
            for table in self._tables
        ]
        rows = self.server.rows(" UNION ALL ".join(parts))
        outside = {"outside": (len(self._slack.calls), len(self._receiver.received))}
        return {item["name"]: (item["rows"], item["sum"]) for item in rows} | outside

    def _is_quiet(self) -> bool:
        if self.server.rows(_BUSY):
            self.server.execute(_IDLE)
            return False
        return True

    @cached_property
    def _tables(self) -> list[str]:
        # The roll-ups of the analytics follow the other tables, some time later. Refused calls are recorded.
        rows = self.server.rows(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'analytics%' "
            "AND tablename NOT IN ('audit_log', 'audit_heads') ORDER BY 1"
        )
        return [item["tablename"] for item in rows]


def mint_widget_token(server: Server, conversation: str, age: timedelta) -> str:
    """Return a widget token of this age."""
    tokens = WidgetTokens((server.data_dir / "secret_key").read_text().strip())
    return tokens.issue(parse_id(CONVERSATION, conversation), datetime.now(UTC) - age)[0]


def everything_kept(server: Server) -> str:
    """All rows of all tables as text; of binary columns both the bytes in hexadecimal and as they are."""
    result = []
    for table in server.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for row in server.rows(f'SELECT * FROM "{table["tablename"]}"'):
            for value in row.values():
                result += [value.hex(), value.decode("latin-1")] if isinstance(value, bytes) else [str(value)]
    return "\n".join(result)
