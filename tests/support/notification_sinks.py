"""A server with a mail server and a Slack, teams, and the notifications that arrived."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from rules.typeid import AGENT, DELIVERY, WORKSPACE, parse_id
from tests.support.baton_client import Caller, Server, Workspace, wait_for
from tests.support.mail_sink import Mail, MailSink
from tests.support.slack_server import SlackStandIn

Row = dict[str, Any]

NOTIFICATIONS = """notifications { email { enabled connected recipients includeTranscript frequency }
    slack { enabled connected channel messageFormat mentions } webhooks { id } }"""
SETTINGS = f"query($id: ID!) {{ escalationSettings(agentId: $id) {{ version {NOTIFICATIONS} }} }}"
CHANGE = f"""mutation($input: UpdateEscalationSettingsInput!) {{
    updateEscalationSettings(input: $input) {{ settings {{ version {NOTIFICATIONS} }} }} }}"""
CONNECT = f"""mutation($id: ID!, $token: String!) {{
    connectSlack(agentId: $id, botToken: $token) {{ settings {{ version {NOTIFICATIONS} }} }} }}"""
DISCONNECT = f"""mutation($id: ID!) {{
    disconnectSlack(agentId: $id) {{ settings {{ version {NOTIFICATIONS} }} }} }}"""
UPDATE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
SAMPLE = """mutation($id: ID!, $channel: DeliveryChannel!) {
    sendTestNotification(agentId: $id, channel: $channel) { %s } }"""
RETRY = "mutation($id: ID!) { retryDelivery(id: $id) { %s } }"
DELIVERY_FIELDS = """id channel target eventType status note nextAttemptAt createdAt escalation { id }
    attempts { attemptedAt succeeded response durationMs }"""
DELIVERIES = """query($escalation: ID, $status: DeliveryStatus, $channel: DeliveryChannel) {
    deliveries(escalationId: $escalation, status: $status, channel: $channel, first: 100) {
    nodes { %s } } }"""

_TEAMS = count(1)


@dataclass(frozen=True)
class Outside:
    """A server, and the sinks of its notifications."""

    server: Server
    sink: MailSink
    slack: SlackStandIn
    environment: dict[str, str]

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["Outside"]:
        """Start a server with an embedded worker, a mail server and a local Slack server."""
        with (
            tempfile.TemporaryDirectory(prefix="baton-outside-") as folder,
            MailSink() as sink,
            SlackStandIn.started() as slack,
        ):
            Path(folder).chmod(0o755)
            environment = {"BATON_SMTP_URL": sink.url, "BATON_SLACK_API_URL": slack.url}
            with Server.started(Path(folder), **environment) as server:
                yield cls(server, sink, slack, environment)

    @contextmanager
    def served(self, **environment: str) -> Iterator[None]:
        """Run the server with another environment; an empty value unsets the variable."""
        self._restart(self.environment | environment)
        try:
            yield
        finally:
            self._restart(self.environment)

    def _restart(self, environment: dict[str, str]) -> None:
        self.server.stop()
        self.server.start(**{name: value for name, value in environment.items() if value})

    def mails_to(self, address: str) -> list[Mail]:
        """Return the mails to an address."""
        return [mail for mail in list(self.sink.mails) if address in mail.recipients]

    def mails(self, address: str, count: int) -> list[Mail]:
        """Wait for exactly `count` mails to an address and return them."""
        wait_for(lambda: len(self.mails_to(address)) >= count, f"{count} mails to {address}")
        mails_to = self.mails_to(address)
        assert len(mails_to) == count
        return mails_to

    def messages_in(self, channel: str) -> list[Row]:
        """Return all messages that were sent to a Slack channel, accepted or not."""
        return [message for message in self.slack.messages if message["channel"] == channel]


@dataclass(frozen=True)
class Team:
    """An AI agent with its recipients. No other team has their names."""

    workspace: Workspace
    agent_id: str
    number: int

    @classmethod
    def create(cls, server: Server, *names: str, email: Row | None = None, **settings: Any) -> "Team":
        """Create a team in a new workspace; the named people receive mails."""
        workspace = server.new_workspace()
        team = cls(workspace, workspace.agent_id, next(_TEAMS))
        return team._set_up(names, email, settings)

    def colleague(self, *names: str, email: Row | None = None, **settings: Any) -> "Team":
        """Another team in the same workspace."""
        made = self.key.ask('mutation { createAgent(name: "Robot") { id } }')["createAgent"]["id"]
        return Team(self.workspace, made, next(_TEAMS))._set_up(names, email, settings)

    def _set_up(self, names: tuple[str, ...], email: Row | None, settings: Row) -> "Team":
        recipients = {"email": {"recipients": [self.address(name) for name in names], **(email or {})}}
        self.key.settings(self.agent_id, notifications=recipients, **settings)
        return self

    @property
    def key(self) -> Caller:
        """The holder of a key of every scope."""
        return self.workspace.key

    @property
    def server(self) -> Server:
        """Return its server."""
        return self.workspace.server

    @property
    def channel(self) -> str:
        """A Slack channel of its own."""
        return f"#team-{self.number}"

    def address(self, name: str) -> str:
        """Return a recipient's address."""
        return f"{name}@team{self.number}.example.com"

    # ---- settings

    @property
    def notifications(self) -> Row:
        """Return the notification settings."""
        notifications: Row = self.key.ask(SETTINGS, id=self.agent_id)["escalationSettings"]["notifications"]
        return notifications

    def told_by(self, **notifications: Any) -> Row:
        """Change the notification settings and return them."""
        given = {"agentId": self.agent_id, "notifications": notifications}
        settings = self.key.ask(CHANGE, input=given)["updateEscalationSettings"]["settings"]
        assert settings["notifications"] == self.notifications
        result: Row = settings["notifications"]
        return result

    def connect(self, token: str, **slack: Any) -> Row:
        """Connect Slack, choose the team's channel, and return the Slack settings."""
        self.key.ask(CONNECT, id=self.agent_id, token=token)
        result: Row = self.told_by(slack={"channel": self.channel, **slack})["slack"]
        return result

    # ---- what happens

    def escalate(self, reason: str = "needs a person", **customer: Any) -> str:
        """Escalate a new conversation and return the escalation's id."""
        conversation = self.key.start(self.agent_id, customer=customer or None)["conversation"]["id"]
        return str(self.key.escalate(conversation, reason)["escalation"]["id"])

    def update(self, escalation: str, **changes: Any) -> None:
        """Change an escalation."""
        self.key.ask(UPDATE, i={"escalationId": escalation, **changes})

    def reopen(self, escalation: str) -> None:
        """Reopen an escalation."""
        self.key.ask(
            "mutation($id: ID!) { reopenEscalation(escalationId: $id) { escalation { id } } }", id=escalation
        )

    # ---- deliveries

    def deliveries(self, **chosen: Any) -> list[Row]:
        """Return the workspace's deliveries, oldest first."""
        nodes: list[Row] = self.key.ask(DELIVERIES % DELIVERY_FIELDS, **chosen)["deliveries"]["nodes"]
        return nodes[::-1]

    def when(self, condition: Callable[[list[Row]], Any], what: str, **chosen: Any) -> list[Row]:
        """Wait for a condition on the deliveries and return them."""

        def matching() -> tuple[list[Row]] | None:
            deliveries = self.deliveries(**chosen)
            return (deliveries,) if condition(deliveries) else None

        (deliveries,) = wait_for(matching, what)
        return list(deliveries)

    def ended(self, **chosen: Any) -> list[Row]:
        """Wait until no delivery is pending and return all of them."""
        self.catch_up()
        return self.when(
            lambda all_: all(item["status"] != "PENDING" for item in all_), "deliveries to end", **chosen
        )

    def tried(self, attempts: int = 1, **chosen: Any) -> Row:
        """Wait for this number of attempts of the only delivery and return it."""
        self.catch_up()
        self.when(
            lambda all_: all_ and len(all_[0]["attempts"]) >= attempts, f"{attempts} attempts", **chosen
        )
        # An attempt may come to its end between the reading of a delivery and of its attempts.
        (delivery,) = self.deliveries(**chosen)
        assert len(delivery["attempts"]) == attempts
        return delivery

    def catch_up(self) -> None:
        """Wait until every event so far has been planned, so that its deliveries exist."""
        query = """SELECT position >= head AS done FROM planned_logs JOIN streams ON id = workspace_id
            WHERE workspace_id = $1"""
        key = parse_id(WORKSPACE, self.workspace.id)
        wait_for(lambda: self.server.rows(query, key)[0]["done"], "the planner to catch up")

    @contextmanager
    def unplanned(self) -> Iterator[None]:
        """Nothing is planned within the block; all of it together afterwards."""
        key = parse_id(WORKSPACE, self.workspace.id)
        move = "UPDATE planned_logs SET position = position + $2 WHERE workspace_id = $1"
        self.catch_up()
        self.server.execute(move, key, 1_000_000)
        yield
        self.server.execute(move, key, -1_000_000)

    def bring(self, *deliveries: Row) -> None:
        """Make the next attempts of deliveries due, together with their jobs."""
        ids = [parse_id(DELIVERY, delivery["id"]) for delivery in deliveries]
        self.server.execute(
            """WITH free AS (UPDATE delivery_targets SET paused_until = NULL
                WHERE id IN (SELECT target_id FROM deliveries WHERE id = ANY($1)) RETURNING id),
            due AS (UPDATE deliveries SET next_attempt_at = now() FROM free
                WHERE deliveries.id = ANY($1) AND target_id = free.id)
            UPDATE pgqueuer SET execute_after = now() FROM free
            WHERE entrypoint = 'deliveries' AND payload = uuid_send(free.id)""",
            ids,
        )

    def row(self, delivery: Row) -> Row:
        """Return a delivery's row in the database."""
        return self.server.rows("SELECT * FROM deliveries WHERE id = $1", parse_id(DELIVERY, delivery["id"]))[
            0
        ]

    def retry(self, delivery: Row) -> Row:
        """Retry a delivery."""
        retry_delivery: Row = self.key.ask(RETRY % DELIVERY_FIELDS, id=delivery["id"])["retryDelivery"]
        return retry_delivery

    def sample(self, channel: str) -> list[Row]:
        """Send a sample and return its deliveries."""
        given = {"id": self.agent_id, "channel": channel}
        send_test_notification: list[Row] = self.key.ask(SAMPLE % DELIVERY_FIELDS, **given)[
            "sendTestNotification"
        ]
        return send_test_notification

    @property
    def key_of_agent(self) -> Any:
        """The AI agent's key in the database."""
        return parse_id(AGENT, self.agent_id)


def events_of(deliveries: list[Row]) -> list[str]:
    """Return short event types."""
    return [delivery["eventType"].removeprefix("escalation.") for delivery in deliveries]


def at(time: str) -> datetime:
    """Parse an instant of the API."""
    return datetime.fromisoformat(time)
