"""Erasure of a customer: no table holds a word of the customer's, and no figure changes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rules.backoff import ATTEMPTS
from rules.typeid import AGENT, CONVERSATION, parse_id
from tests.support.baton_client import Caller, wait_for
from tests.support.locks import hold
from tests.support.notification_sinks import Outside, Row, Team
from tests.support.open_subscriptions import all_begun
from tests.support.table_dump import fingerprint, tables_with
from tests.support.webhook_helpers import Endpoint, hurry, refusing
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

MARKER, OTHER = "zqxmarker", "vjkother"
LONG_AGO = {"from": "2026-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}
ERASE = """mutation($externalId: String, $email: String) {
    eraseCustomer(externalId: $externalId, email: $email) { conversations } }"""
FIGURES = """query($agent: ID!, $from: DateTime!, $to: DateTime!) {
    escalationAnalytics(agentId: $agent, from: $from, to: $to) {
        conversations escalatedConversations escalations escalationRate slaCompliance falsePositiveRate
        avertedRate resolutionTime { count averageSeconds } firstResponseTime { count averageSeconds }
        sla { met missed running } outcomes { resolvedByAi escalatedResolved escalatedOpen }
        topReasons { trigger count } byTrigger { trigger count } byPriority { priority count }
        byAssignee { count } } }"""
FORM = "mutation($i: SubmitFormInput!) { submitForm(input: $i) { created } }"
TOOL = """mutation($i: ReportToolResultInput!) { reportToolResult(input: $i) { consecutiveFailures } }"""
SHOWN = """query($id: ID!) { conversation(id: $id) { customer { externalId email name } metadata
    messages(first: 100) { nodes { content metadata intents } } } }"""
WATCH = "subscription($id: ID!) { conversationUpdated(conversationId: $id) { kind } }"
JOB = """INSERT INTO pgqueuer (priority, entrypoint, payload, status, execute_after)
    VALUES (0, 'deliveries', uuid_send($1), 'queued', now())"""
WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted"
# Each holds words of the customer, of the AI, of a caller or of the team, or a receiver's echo of them.
HOLDING = {
    "conversations",
    "deliveries",
    "delivery_attempts",
    "escalation_notes",
    "escalations",
    "idempotency_keys",
    "messages",
    "timeline_entries",
    "tool_failures",
    "trigger_events",
}


@pytest.fixture(scope="module")
def office(outside: Outside) -> Iterator[Outside]:
    """The server with mail, Slack, and webhooks to this machine."""
    with outside.served(BATON_WEBHOOK_ALLOW_PRIVATE="true"):
        yield outside


@dataclass
class Story:
    """A customer with two conversations, whose words have gone everywhere they can."""

    team: Team
    word: str
    started: list[Row] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [str(item["conversation"]["id"]) for item in self.started]

    @property
    def email(self) -> str:
        return f"{self.word}@example.com"

    def live(self, agent_id: str) -> str:
        """Leave the word everywhere in a conversation with an AI agent; return the escalation's id."""
        key, word = self.team.key, self.word
        started = key.start(
            agent_id,
            customer={"externalId": f"id-{word}", "email": self.email, "name": f"Name {word}"},
            metadata={"pageUrl": f"https://shop.example.com/{word}"},
            idempotencyKey=f"start {word} {len(self.started)}",
        )
        self.started.append(started)
        conversation = started["conversation"]["id"]
        key.record(
            conversation,
            "USER",
            f"My {word} is lost.",
            metadata={"about": word},
            intents=[f"intent {word}"],
            idempotencyKey=f"message {word} {len(self.started)}",
        )
        key.record(conversation, "ASSISTANT", f"Which {word}?", confidence=90)
        key.ask(TOOL, i={"conversationId": conversation, "tool": f"find {word}", "succeeded": False})
        fields = {"conversationId": conversation, "form": f"Form {word}", "fields": {"what": word}}
        key.ask(FORM, i={**fields, "escalate": False})
        escalation = str(
            key.escalate(conversation, f"reason {word}", summary=f"About {word}.", metadata={"order": word})[
                "escalation"
            ]["id"]
        )
        key.escalate(conversation, f"again {word}")
        key.record(conversation, "ASSISTANT", f"A draft about {word}.", epoch=1)
        self.team.update(escalation, note=f"A note about {word}.")
        key.reply(escalation, f"We look for your {word}.", authorEmail=self.team.workspace.email)
        return escalation


def figures(team: Team, *agents: str) -> list[Any]:
    """Return the analytics of AI agents."""
    return [team.key.ask(FIGURES, agent=agent, **LONG_AGO) for agent in agents]


def plant_answers(story: Story) -> None:
    """Put words into what receivers are said to have answered, and into the alert about it."""
    ids = [parse_id(CONVERSATION, id_) for id_ in story.ids]
    execute = story.team.server.execute
    execute(
        """UPDATE delivery_attempts SET response = $2
        WHERE delivery_id IN (SELECT id FROM deliveries WHERE conversation_id = ANY($1))""",
        ids,
        f"550 {story.word} is refused",
    )
    execute(
        """UPDATE deliveries SET words = jsonb_set(words::jsonb, '{why}', to_jsonb($2::text))::text
        WHERE about_id IN (SELECT id FROM deliveries WHERE conversation_id = ANY($1))""",
        ids,
        f"550 {story.word} is refused",
    )


def attempted(team: Team, count: int) -> list[Row]:
    return team.when(lambda all_: sum(bool(item["attempts"]) for item in all_) >= count, f"{count} attempts")


async def test_erased_customer_leaves_no_word_in_any_table_and_every_figure(office: Outside) -> None:
    team = Team.create(office.server, "ann")
    hourly = team.colleague("bea", email={"frequency": "HOURLY_DIGEST"})
    team.connect("xoxb-erasure")
    with refusing() as receiver:
        endpoint = Endpoint.create(team.workspace, receiver.url, "escalation.created", agent_id=team.agent_id)
        customer, neighbour = Story(team, MARKER), Story(team, OTHER)
        first, _ = customer.live(team.agent_id), neighbour.live(team.agent_id)
        second, _ = customer.live(hourly.agent_id), neighbour.live(hourly.agent_id)
        team.key.resolve(first, note=f"It was {MARKER}.", disposition="NEEDED")
        _send_digest(hourly)
        team.catch_up()
        attempted(team, 6)
        _fail_for_good(team, endpoint)
        plant_answers(customer)
        plant_answers(neighbour)
        holding = tables_with(office.server, MARKER)
        assert holding >= HOLDING
        words = office.server.rows(
            "SELECT DISTINCT channel FROM deliveries WHERE position($1::bytea IN body) > 0", MARKER.encode()
        )
        assert {row["channel"] for row in words} == {"EMAIL", "SLACK", "WEBHOOK"}
        before = figures(team, team.agent_id, hourly.agent_id)
        sent = len(receiver.received)

        async with team.key.socket() as socket:
            async with all_begun(office.server, 1):
                watching = await socket.subscribe(WATCH, id=customer.ids[0])
            erased = team.key.ask(ERASE, email=f"{MARKER.upper()}@Example.com")
            kinds = []
            while "erased" not in kinds:
                kinds.append((await socket.next(watching))["conversationUpdated"]["kind"])

        assert erased == {"eraseCustomer": {"conversations": 2}}
        assert tables_with(office.server, MARKER) == set()
        assert tables_with(office.server, OTHER) >= HOLDING
        assert figures(team, team.agent_id, hourly.agent_id) == before
        _assert_over(team, customer)
        _assert_never_sent(team, receiver, sent)
        assert team.key.escalation(second)["status"] == "IN_PROGRESS"


def _send_digest(team: Team) -> None:
    team.catch_up()
    agent = parse_id(AGENT, team.agent_id)
    team.server.execute("UPDATE digests SET due_at = now() - interval '1 minute' WHERE agent_id = $1", agent)
    team.when(lambda all_: any(item["eventType"] == "digest" for item in all_), "the digest")


def _fail_for_good(team: Team, endpoint: Endpoint) -> None:
    """Use up every attempt at the endpoint, so that the admin is alerted with the receiver's answer."""
    (target,) = team.server.rows("SELECT id FROM delivery_targets WHERE endpoint_id = $1", endpoint.key)
    hurry(team.server, target["id"], ATTEMPTS - 1)
    team.when(lambda all_: any(item["eventType"] == "alert" for item in all_), "the alert")


def _assert_over(team: Team, customer: Story) -> None:
    """Assert that the conversations name no customer, take no message, and open for no widget token."""
    for started in customer.started:
        conversation = started["conversation"]["id"]
        shown = team.key.ask(SHOWN, id=conversation)["conversation"]
        assert set(shown["customer"].values()) == {None} == {shown["metadata"]}
        assert {(item["content"], item["metadata"]) for item in shown["messages"]["nodes"]} == {
            ("[erased]", None)
        }
        record = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
        given = {"conversationId": conversation, "role": "USER", "content": MARKER}
        assert team.key.refusal(record, i=given).code == "CONFLICT"
        widget = Caller(team.server.url, started["widgetToken"])
        assert widget.refusal(SHOWN, id=conversation).code == "UNAUTHENTICATED"
    assert tables_with(team.server, MARKER) == set()


def _assert_never_sent(team: Team, receiver: Receiver, sent: int) -> None:
    """Assert that deliveries made due send only the neighbour's words, and the others are dropped."""
    pending = [item for item in team.deliveries() if item["status"] == "PENDING"]
    team.bring(*pending)
    wait_for(lambda: len(receiver.received) > sent, "the neighbour's delivery")
    assert not any(MARKER.encode() in item.body for item in receiver.received[sent:])
    dropped = [item for item in team.deliveries() if item["status"] == "DROPPED"]
    assert {item["note"] for item in dropped} <= {"The customer was erased before this was sent."}


@pytest.mark.parametrize("names", [{}, {"email": "not an address"}, {"externalId": ""}])
def test_erasure_without_a_usable_name_changes_nothing(office: Outside, names: Row) -> None:
    team = Team.create(office.server)
    Story(team, OTHER).live(team.agent_id)
    team.catch_up()
    before = fingerprint(office.server)
    assert team.key.refusal(ERASE, **names).code == "BAD_USER_INPUT"
    assert fingerprint(office.server) == before


def test_erasure_without_the_scope_changes_nothing(office: Outside) -> None:
    team = Team.create(office.server)
    story = Story(team, OTHER)
    story.live(team.agent_id)
    team.catch_up()
    callers = [
        team.workspace.key_with("SETTINGS_WRITE", "CONVERSATIONS_WRITE"),
        team.workspace.widget(story.started[0]),
    ]
    # The audit log records the call.
    before = fingerprint(office.server, "audit_")
    assert [caller.refusal(ERASE, email=story.email).code for caller in callers] == ["FORBIDDEN"] * 2
    assert fingerprint(office.server, "audit_") == before


def test_erasure_of_an_unknown_customer_changes_nothing(office: Outside) -> None:
    team, stranger = Team.create(office.server), Team.create(office.server)
    story = Story(team, OTHER)
    story.live(team.agent_id)
    team.catch_up()
    # The audit log records the call.
    before = fingerprint(office.server, "audit_")
    nothing = {"eraseCustomer": {"conversations": 0}}
    assert stranger.key.ask(ERASE, email=story.email) == nothing
    assert team.key.ask(ERASE, externalId=f"ID-{OTHER}") == nothing
    assert fingerprint(office.server, "audit_") == before


def test_erasure_that_was_interrupted_is_finished_by_the_worker(office: Outside) -> None:
    team = Team.create(office.server)
    story = Story(team, "wlost")
    story.live(team.agent_id)
    team.catch_up()
    office.server.execute(
        """UPDATE conversations SET erased_at = now() - interval '1 minute', erasure_due = true,
            customer_email = NULL, customer_external_id = NULL, customer_name = NULL, metadata = NULL
        WHERE id = $1""",
        parse_id(CONVERSATION, story.ids[0]),
    )
    wait_for(lambda: not tables_with(office.server, "wlost"), "the worker to finish")


def test_waiting_delivery_of_an_erased_customer_is_dropped_and_a_retry_sends_no_word(office: Outside) -> None:
    team = Team.create(office.server)
    with refusing() as receiver:
        Endpoint.create(team.workspace, receiver.url, "escalation.created", agent_id=team.agent_id)
        Story(team, "wclaimed").live(team.agent_id)
        team.tried()
        team.key.ask(ERASE, externalId="id-wclaimed")
        (delivery,) = team.deliveries()
        assert delivery["status"] == "DROPPED"
        assert [item["response"] for item in delivery["attempts"]] == [None]
        team.retry(delivery)
        wait_for(lambda: len(receiver.received) == 2, "the second attempt")
        assert [b"wclaimed" in item.body for item in receiver.received] == [True, False]


async def test_digest_that_was_rendered_before_an_erasure_is_composed_again(office: Outside) -> None:
    team = Team.create(office.server, "cleo", email={"frequency": "HOURLY_DIGEST"})
    Story(team, "wrendered").live(team.agent_id)
    Story(team, "wneighbour").live(team.agent_id)
    _send_digest(team)
    (digest,) = team.ended()
    (first,) = office.mails(team.address("cleo"), 1)
    assert b"wrendered" in first.raw
    row = team.row(digest)
    async with hold(office.server, "delivery_targets", row["target_id"]):
        office.server.execute(
            """UPDATE deliveries SET status = 'PENDING', body = NULL, ended_at = NULL, next_attempt_at = now()
            WHERE id = $1""",
            row["id"],
        )
        office.server.execute(JOB, row["target_id"])
        # The worker has rendered the digest, and waits for the target to claim it.
        wait_for(lambda: office.server.rows(WAITING), "the worker to wait")
        team.key.ask(ERASE, externalId="id-wrendered")
    second = office.mails(team.address("cleo"), 2)[1]
    assert b"wrendered" not in second.raw
    assert b"wneighbour" in second.raw
    team.ended()
    assert tables_with(office.server, "wrendered") == set()
