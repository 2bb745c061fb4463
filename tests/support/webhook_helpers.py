"""Webhook endpoints, what becomes of their deliveries, and processes that send them."""

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest

from notifications.webhook.schemas import SCHEMAS
from rules.typeid import AGENT, DELIVERY, WEBHOOK_ENDPOINT, WORKSPACE, parse_id
from tests.support.baton_client import DEADLINE, Server, Workspace, wait_for
from tests.support.copied_database import copied_database
from tests.support.mail_sink import Mail, MailSink
from tests.support.sla_clocks import Process
from tests.support.webhook_receivers import Answer, Received, Receiver

Row = dict[str, Any]

SHOWN = "id url enabled eventTypes disabledReason createdAt"
CREATE = f"""mutation($input: CreateWebhookEndpointInput!) {{ createWebhookEndpoint(input: $input) {{
    secret endpoint {{ {SHOWN} }} }} }}"""
UPDATE = f"""mutation($id: ID!, $url: String, $enabled: Boolean, $eventTypes: [String!]) {{
    updateWebhookEndpoint(id: $id, url: $url, enabled: $enabled, eventTypes: $eventTypes) {{
    secret endpoint {{ {SHOWN} }} }} }}"""
ROTATE = f"mutation($id: ID!) {{ rotateWebhookSecret(id: $id) {{ secret endpoint {{ {SHOWN} }} }} }}"
DELETE = "mutation($id: ID!) { deleteWebhookEndpoint(id: $id) }"
LIST = f"""query($id: ID!) {{ escalationSettings(agentId: $id) {{ notifications {{
    webhooks {{ {SHOWN} }} }} }} }}"""
ENDPOINT = f"query($id: ID!) {{ node(id: $id) {{ ... on WebhookEndpoint {{ {SHOWN} }} }} }}"
DELIVERY_SHOWN = """id channel target eventType status note nextAttemptAt createdAt escalation { id }
    attempts { attemptedAt succeeded response durationMs }"""
DELIVERIES = f"""query($escalation: ID, $status: DeliveryStatus, $channel: DeliveryChannel, $first: Int,
    $after: String) {{ deliveries(escalationId: $escalation, status: $status, channel: $channel,
    first: $first, after: $after) {{ nodes {{ {DELIVERY_SHOWN} }} edges {{ cursor node {{ id }} }}
    pageInfo {{ hasNextPage endCursor }} }} }}"""
RETRY = f"mutation($id: ID!) {{ retryDelivery(id: $id) {{ {DELIVERY_SHOWN} }} }}"
SAMPLE = f"""mutation($id: ID!, $channel: DeliveryChannel!) {{
    sendTestNotification(agentId: $id, channel: $channel) {{ {DELIVERY_SHOWN} }} }}"""
AGENT_MADE = 'mutation { createAgent(name: "Robot") { id } }'

VALIDATORS = {
    type_: jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    for type_, schema in SCHEMAS.items()
}
# A receiver's wish that keeps attempts from coming by themselves while a test looks.
LATER = {"retry-after": "3600"}

# Seconds between looks, each of which has the server read everything; more where one waits for long.
LOOK = 0.08

_WORKERS = count(1)


def deliveries(workspace: Workspace, **chosen: Any) -> list[Row]:
    """Return the workspace's newest hundred deliveries, oldest first."""
    nodes: list[Row] = workspace.key.ask(DELIVERIES, first=100, **chosen)["deliveries"]["nodes"]
    return nodes[::-1]


def retry(workspace: Workspace, delivery: Row) -> Row:
    """Retry a delivery."""
    retry_delivery: Row = workspace.key.ask(RETRY, id=delivery["id"])["retryDelivery"]
    return retry_delivery


def planned(workspace: Workspace) -> None:
    """Wait until every event so far has been planned."""
    query = """SELECT position = head AS done FROM planned_logs JOIN streams ON id = workspace_id
        WHERE workspace_id = $1"""
    key = parse_id(WORKSPACE, workspace.id)
    wait_for(lambda: workspace.server.rows(query, key)[0]["done"], "the planner to catch up")


@dataclass(frozen=True)
class Endpoint:
    """A webhook endpoint of an AI agent. No other endpoint of the workspace has its URL."""

    workspace: Workspace
    agent_id: str
    id: str
    url: str
    secret: str

    @classmethod
    def create(
        cls, workspace: Workspace, url: str, *types: str, agent_id: str | None = None, **more: Any
    ) -> "Endpoint":
        """Create an endpoint for some event types, or all. Without `agent_id` it creates an AI agent."""
        agent_id = agent_id or str(workspace.key.ask(AGENT_MADE)["createAgent"]["id"])
        given = {"agentId": agent_id, "url": url, **({"eventTypes": list(types)} if types else {}), **more}
        made = workspace.key.ask(CREATE, input=given)["createWebhookEndpoint"]
        return cls(workspace, agent_id, made["endpoint"]["id"], url, made["secret"])

    @property
    def server(self) -> Server:
        """Return its server."""
        return self.workspace.server

    @property
    def key(self) -> UUID:
        """Its key in the database."""
        return parse_id(WEBHOOK_ENDPOINT, self.id)

    # ---- settings

    @property
    def shown(self) -> Row | None:
        """As a reader is shown it."""
        node: Row | None = self.workspace.key.ask(ENDPOINT, id=self.id)["node"]
        return node

    @property
    def row(self) -> Row:
        """Return its row in the database."""
        return self.server.rows("SELECT * FROM webhook_endpoints WHERE id = $1", self.key)[0]

    def update(self, **changes: Any) -> Row:
        """Update the endpoint and return it."""
        payload = self.workspace.key.ask(UPDATE, id=self.id, **changes)["updateWebhookEndpoint"]
        assert payload["secret"] is None
        assert payload["endpoint"] == self.shown
        endpoint: Row = payload["endpoint"]
        return endpoint

    def rotate(self) -> "Endpoint":
        """Rotate the secret and return the endpoint with the new one."""
        payload = self.workspace.key.ask(ROTATE, id=self.id)["rotateWebhookSecret"]
        assert payload["endpoint"] == self.shown
        return replace(self, secret=payload["secret"])

    def delete(self) -> None:
        """Delete the endpoint."""
        assert self.workspace.key.ask(DELETE, id=self.id) == {"deleteWebhookEndpoint": True}

    # ---- events and their deliveries

    def escalate(self, reason: str = "needs a person") -> str:
        """Escalate a new conversation: escalation.created, then conversation.ai_paused."""
        conversation = self.workspace.key.start(self.agent_id)["conversation"]["id"]
        return str(self.workspace.key.escalate(conversation, reason)["escalation"]["id"])

    def sample(self) -> list[Row]:
        """Send a sample to all of the AI agent's endpoints."""
        given = {"id": self.agent_id, "channel": "WEBHOOK"}
        send_test_notification: list[Row] = self.workspace.key.ask(SAMPLE, **given)["sendTestNotification"]
        return send_test_notification

    @property
    def deliveries(self) -> list[Row]:
        """Those to it, oldest first."""
        return [
            delivery
            for delivery in deliveries(self.workspace, channel="WEBHOOK")
            if delivery["target"] == self.url
        ]

    def when(self, condition: Callable[[list[Row]], Any], what: str, seconds: float = DEADLINE) -> list[Row]:
        """Wait for a condition on its deliveries and return them."""

        def matching() -> list[Row] | None:
            time.sleep(LOOK * seconds / DEADLINE)
            return all_ if condition(all_ := self.deliveries) else None

        result: list[Row] = wait_for(matching, what, seconds)
        return result

    def ended(self, seconds: float = DEADLINE) -> list[Row]:
        """Wait until no delivery is pending and return all of them."""
        planned(self.workspace)
        return self.when(lambda all_: "PENDING" not in statuses(all_), "deliveries to end", seconds)

    def tried(self, attempts: int = 1, seconds: float = DEADLINE) -> Row:
        """Wait for this number of attempts of its only delivery and return it."""
        self.when(lambda all_: all_ and len(all_[0]["attempts"]) >= attempts, f"{attempts} attempts", seconds)
        # Read again: a delivery and its attempts are read by two statements.
        (delivery,) = self.deliveries
        assert len(delivery["attempts"]) == attempts
        return delivery

    @property
    def target(self) -> Row:
        """The target's row."""
        return self.server.rows("SELECT * FROM delivery_targets WHERE endpoint_id = $1", self.key)[0]

    @property
    def jobs(self) -> list[Row]:
        """Those that wait to attempt its deliveries."""
        query = """SELECT execute_after FROM pgqueuer
            WHERE entrypoint = 'deliveries' AND payload = $1 AND status = 'queued'"""
        return self.server.rows(query, self.target["id"].bytes)

    def hurry(self, made: int | None = None) -> None:
        """Make its deliveries due; see the function `hurry`."""
        hurry(self.server, self.target["id"], made)

    def left(self) -> None:
        """Wait until no worker holds its lease and all outcomes are recorded."""
        wait_for(lambda: self.target["lease"] is None, "the target to be left")

    def pile_up(self, number: int) -> None:
        """So many deliveries more, like the one that it has, that have been due for a while."""
        self.server.execute(
            """INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type,
                position, escalation_id, conversation_id, occurred_at, status, attempts_made,
                next_attempt_at, created_at)
            SELECT gen_random_uuid(), d.workspace_id, d.agent_id, d.target_id, d.channel, d.target,
                d.event_type, d.position + 1000 + n, d.escalation_id, d.conversation_id, d.occurred_at,
                'PENDING', 0, now() - interval '1 minute', d.created_at
            FROM deliveries d JOIN delivery_targets t ON t.id = d.target_id, generate_series(1, $2) n
            WHERE t.endpoint_id = $1""",
            self.key,
            number,
        )


def verified_body(received: Received, endpoint: Endpoint) -> Row:
    """Return the body after a check of its signature and of its schema."""
    body = received.verified(endpoint.secret)
    VALIDATORS[body["type"]].validate(body)
    return body


def statuses(rows: list[Row]) -> list[str]:
    """Return the deliveries' statuses."""
    return [item["status"] for item in rows]


def types(rows: list[Row]) -> list[str]:
    """Return the deliveries' event types."""
    return [item["eventType"] for item in rows]


def row_of(server: Server, delivery: Row) -> Row:
    """Return a delivery's row in the database."""
    return server.rows("SELECT * FROM deliveries WHERE id = $1", parse_id(DELIVERY, delivery["id"]))[0]


def hurry(server: Server, target_id: UUID, made: int | None = None) -> None:
    """
    Have the time come that a target's deliveries, and the job for them, wait for.

    `made` sets the number of attempts so far. It waits for a running attempt: the job for
    what is left is written at the end.
    """
    lease = "SELECT lease FROM delivery_targets WHERE id = $1"
    wait_for(lambda: server.rows(lease, target_id)[0]["lease"] is None, "the target to be left")
    # The target first and its deliveries by it, as workers lock them: else each might wait for the other.
    server.execute(
        """WITH free AS (UPDATE delivery_targets SET paused_until = NULL, next_job_at = now() WHERE id = $1
            RETURNING id), due AS (UPDATE deliveries
            SET next_attempt_at = now(), attempts_made = coalesce($2, attempts_made)
            FROM free WHERE status = 'PENDING' AND target_id = free.id)
        UPDATE pgqueuer SET execute_after = now() FROM free
        WHERE entrypoint = 'deliveries' AND payload = uuid_send(free.id)""",
        target_id,
        made,
    )


def end_minute(workspace: Workspace) -> None:
    """Let the minute end in which the workspace's targets get no second sample."""
    workspace.server.execute(
        "UPDATE delivery_targets SET sampled_at = sampled_at - interval '1 minute' WHERE workspace_id = $1",
        parse_id(WORKSPACE, workspace.id),
    )


def agent_key(agent_id: str) -> UUID:
    """Return an AI agent's UUID."""
    return parse_id(AGENT, agent_id)


class Gate:
    """
    A receiver's answer that is held back until it opens, and for `pause` seconds after that.

    `most` is the largest number of concurrently held requests.
    """

    def __init__(self, answer: Answer | None = None, pause: float = 0) -> None:
        self.most = 0
        self.open = threading.Event()
        self._answer = answer or Answer()
        self._pause = pause
        self._here = 0
        self._lock = threading.Lock()

    def __call__(self, _: Received) -> Answer:
        with self._lock:
            self._here += 1
            self.most = max(self.most, self._here)
        self.open.wait(DEADLINE)
        time.sleep(self._pause)
        with self._lock:
            self._here -= 1
        return self._answer


@contextmanager
def refusing(status: int = 500, **headers: str) -> Iterator[Receiver]:
    """Run a receiver that refuses every request, by default with `Retry-After` of an hour."""
    named = {name.replace("_", "-"): value for name, value in headers.items()} or LATER
    with Receiver(*[Answer(status, named)] * 1_000) as receiver:
        yield receiver


def mails_to(sink: MailSink, address: str) -> list[Mail]:
    """Return the mails to an address."""
    return [mail for mail in list(sink.mails) if address in mail.recipients]


class PostOffice(Server):
    """A server that may post to loopback, a mail server, and `baton worker` processes."""

    sink: MailSink
    workers: list[Process]

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator["PostOffice"]:
        """Nothing runs but the database and the mail server yet; nothing is left running."""
        with tempfile.TemporaryDirectory(prefix="baton-post-") as folder, MailSink() as sink:
            Path(folder).chmod(0o755)
            with copied_database(Path(folder)) as urls:
                office = cls(Path(folder), urls.owner_url, urls.service_url)
                office.sink, office.workers = sink, []
                try:
                    yield office
                finally:
                    office.dismiss()
                    office.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        return {"BATON_WEBHOOK_ALLOW_PRIVATE": "true", "BATON_SMTP_URL": self.sink.url}

    def serve(self, *options: str, **more: str) -> Process:
        """`baton serve` with these options, always at one address; what was served before ends."""
        self.stop()
        given = self.environment | more | {"BATON_PORT": str(self.port)}
        serving = Process(self.data_dir, "serve", "serve", *options, **given)
        self.process = serving.popen
        self.port = int(serving.says(r'http://127\.0\.0\.1:(\d+)","event":"serve.ready'))
        return serving

    def hire(self, **more: str) -> Process:
        """Start a `baton worker` and wait until it is ready."""
        given = self.environment | more
        worker = Process(self.data_dir, f"worker{next(_WORKERS)}", "worker", **given)
        self.workers.append(worker)
        worker.says('"event":"(worker.ready)')
        return worker

    def dismiss(self) -> None:
        """End all workers."""
        running = [worker for worker in self.workers if worker.runs]
        for worker in running:
            worker.go_on()
            worker.popen.send_signal(signal.SIGTERM)
        for worker in running:
            assert worker.popen.wait(DEADLINE) == 0
        self.workers = []


def is_wanted(request: pytest.FixtureRequest, name: str) -> bool:
    """Return true if the test of this name is selected."""
    return any(item.name == name for item in request.session.items)


@contextmanager
def begun(
    request: pytest.FixtureRequest, stories: Mapping[str, Callable[[], None]]
) -> Iterator[dict[str, "Future[None]"]]:
    """Start the slow stories of the selected tests, each in its own thread, and yield them by test name."""
    with ThreadPoolExecutor() as pool:
        yield {name: pool.submit(story) for name, story in stories.items() if is_wanted(request, name)}
