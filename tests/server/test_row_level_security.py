"""Processes with row-level security: main flows of two workspaces, and how it is turned on and off."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from resolvers.actor import Actor, ActorKind
from resolvers.context import Context
from resolvers.conversation_retention import expire_conversations
from rules.typeid import WORKSPACE, parse_id
from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.baton_process import run_baton
from tests.support.database_connections import run
from tests.support.kept_services import kept_services
from tests.support.open_subscriptions import all_begun
from tests.support.own_database import own_database
from tests.support.rest_client import listed
from tests.support.webhook_helpers import Endpoint
from tests.support.webhook_receivers import Receiver

pytestmark = pytest.mark.anyio

ON, OFF = {"BATON_ROW_LEVEL_SECURITY": "true"}, {"BATON_ROW_LEVEL_SECURITY": ""}
PROTECTED = "SELECT count(*) AS n FROM pg_class WHERE relrowsecurity"
SEARCH = "query($text: String) { conversations(filter: {search: $text}) { totalCount nodes { id } } }"
LISTS = """{ conversations(first: 5) { totalCount } escalationCounts { open } members { id } agents { id }
    escalations(first: 5) { totalCount nodes { id notes { body } triggers { reason }
        timeline(first: 9) { nodes { kind } } conversation { messages(first: 9) { totalCount } } } }
    savedReplies { id } apiKeys { id } deliveries(first: 5) { nodes { id } }
    auditLog(first: 5) { nodes { action } } }"""
CREATED = "subscription { escalationCreated { escalation { id reason conversation { id } } } }"
ANALYTICS = """query($id: ID!) { escalationAnalytics(agentId: $id, from: "2026-01-01T00:00:00Z",
    to: "2035-01-01T00:00:00Z") { escalations } }"""
ERASE = 'mutation { eraseCustomer(email: "jo@example.com") { conversations } }'
PERIOD = {"from": "2026-01-01T00:00:00Z", "to": "2035-01-01T00:00:00Z"}


def urls(own: Server) -> dict[str, str]:
    return {
        "BATON_DATABASE_URL": own.service_url,
        "BATON_MIGRATION_URL": own.owner_url,
        "BATON_SECRET_KEY": secrets.token_hex(32),
    }


@pytest.fixture(scope="module")
def guarded(server: Server) -> Iterator[Server]:
    """A server with row-level security on a database of its own."""
    with own_database(server) as own:
        own.start(**urls(own), **ON, BATON_WEBHOOK_ALLOW_PRIVATE="true")
        yield own


@pytest.fixture(params=[1, 2])
def team(guarded: Server, request: pytest.FixtureRequest) -> Workspace:
    """The second workspace has the rows of the first next to its own."""
    return guarded.new_workspace()


def talk(team: Workspace) -> tuple[str, str]:
    """Have a customer ask for a person, and return the conversation and the escalation."""
    started = team.start(customer={"email": "jo@example.com"})
    conversation = str(started["conversation"]["id"])
    asked = team.widget(started).record(conversation, "USER", "let me talk to a person about parcels")
    return conversation, str(asked["escalation"]["id"])


def test_conversation_is_escalated_answered_found_and_counted(team: Workspace) -> None:
    conversation, escalation = talk(team)
    member = team.sign_in()
    member.reply(escalation)
    team.key.resolve(escalation)
    assert team.key.conversation(conversation)["ai"]["state"] == "ACTIVE"
    assert team.key.escalation(escalation)["status"] == "RESOLVED"
    shown = member.ask(LISTS)
    assert shown["conversations"]["totalCount"] == shown["escalations"]["totalCount"] == 1
    assert shown["escalations"]["nodes"][0]["conversation"]["messages"]["totalCount"] == 4
    assert member.ask(SEARCH, text="parcel")["conversations"]["nodes"] == [{"id": conversation}]
    analytics = team.key.ask(ANALYTICS, id=team.agent_id)["escalationAnalytics"]
    assert analytics == {"escalations": 1}


async def test_escalation_reaches_socket_webhook_and_rest(team: Workspace) -> None:
    with Receiver() as receiver:
        endpoint = Endpoint.create(team, receiver.url, "escalation.created", agent_id=team.agent_id)
        async with team.key.socket() as socket:
            async with all_begun(team.server, 1):
                following = await socket.subscribe(CREATED)
            _, escalation = talk(team)
            event = await socket.next(following)
        assert event["escalationCreated"]["escalation"]["id"] == escalation
        wait_for(lambda: receiver.received, "the webhook")
        assert receiver.received[0].verified(endpoint.secret)["type"] == "escalation.created"
    with httpx.Client(base_url=team.server.url, headers=team.key.headers) as client:
        assert [item["id"] for item in listed(client, team.agent_id)] == [escalation]


def test_exports_erasure_and_retention_have_the_own_rows(team: Workspace) -> None:
    conversation, escalation = talk(team)
    team.key.resolve(escalation)
    with httpx.Client(base_url=team.server.url, headers=team.key.headers) as client:
        rows = client.get("/exports/escalations.csv", params=PERIOD).text.splitlines()
        records = client.get("/exports/customer.jsonl", params={"email": "jo@example.com"}).text
    assert len(rows) == 2
    assert records.count('"conversation"') == 1
    assert '"message"' in records
    assert team.key.ask(ERASE)["eraseCustomer"] == {"conversations": 1}
    assert {message["content"] for message in team.key.messages(conversation)} == {"[erased]"}
    assert expired(team, conversation) == 0  # it is erased already


def expired(team: Workspace, conversation: str) -> int:
    """Return how many of the conversations that are over the worker erases."""
    team.key.settings(team.agent_id, retention={"closedConversationDays": 30})
    services = run(kept_services(team.server.data_dir, team.server.service_url))
    return run(expire_conversations(services))


def test_caller_without_a_workspace_has_no_rows(team: Workspace) -> None:
    talk(team)
    services = run(kept_services(team.server.data_dir, team.server.service_url))
    count = "SELECT count(*) AS n FROM conversations"
    own = Actor(ActorKind.API_KEY, parse_id(WORKSPACE, team.id))
    counts = {
        name: run(context.database.fetch(count))[0]["n"]
        for name, context in {"own": Context(services, own), "none": Context(services)}.items()
    }
    assert counts == {"own": 1, "none": 0}
    assert run(services.database.fetch(count))[0]["n"] >= 1


def refused(own: Server, **setting: str) -> str:
    answer = run_baton("worker", **urls(own), **setting)
    assert answer.returncode == 1
    return answer.stderr


def test_only_migrate_turns_it_on_and_off_and_others_refuse(server: Server) -> None:
    with own_database(server) as own:
        assert run_baton("migrate", **urls(own), **OFF).returncode == 0
        assert own.rows(PROTECTED) == [{"n": 0}]
        assert "run `baton migrate` with the setting" in refused(own, **ON)
        assert finding(own, **ON)["verdict"] == "failed"

        switched = run_baton("migrate", **urls(own), **ON)
        assert "Row-level security is on now" in switched.stdout
        assert own.rows(PROTECTED)[0]["n"] > 30
        assert "there was nothing to do" in run_baton("migrate", **urls(own), **ON).stdout
        assert "Row-level security is on in this database" in refused(own, **OFF)
        assert finding(own, **OFF)["verdict"] == "failed"
        assert "row-level security" in finding(own, **ON)["detail"]

        assert run_baton("migrate", **urls(own), **OFF).returncode == 0
        assert own.rows(PROTECTED) == [{"n": 0}]
        assert own.rows("SELECT FROM pg_policy") == []


def test_running_process_keeps_it_as_it_is(guarded: Server, team: Workspace) -> None:
    protected = guarded.rows(PROTECTED)
    answer = run_baton("migrate", **urls(guarded), **OFF)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "Stop every process of Baton" in answer.stderr
    assert guarded.rows(PROTECTED) == protected
    assert team.key.ask("{ escalationCounts { open } }") == {"escalationCounts": {"open": 0}}


def test_role_that_no_policy_holds_for_is_refused(server: Server) -> None:
    with own_database(server) as own:
        own.service_url = own.owner_url.replace("baton_owner@", "postgres@")
        assert "the role postgres is a superuser" in refused(own, **ON)


def test_changed_policy_is_brought_up_to_date_by_any_start(server: Server) -> None:
    with own_database(server) as own:
        assert run_baton("migrate", **urls(own), **ON).returncode == 0
        own.execute("ALTER POLICY " + policy(own) + " ON messages RENAME TO baton_older")
        assert run_baton("init", **urls(own), **ON).returncode == 0
        assert policy(own) != "baton_older"


def policy(own: Server) -> str:
    ((name,),) = [
        row.values()
        for row in own.rows("SELECT polname FROM pg_policy WHERE polrelid = 'messages'::regclass")
    ]
    return str(name)


def finding(own: Server, **setting: str) -> dict[str, Any]:
    """Return what `baton doctor` says about the database."""
    output = run_baton("doctor", "--json", **urls(own), **setting).stdout
    (result,) = [item for item in orjson.loads(output) if item["check"] == "database"]
    return dict(result)


def test_owner_dumps_and_one_role_dumps_with_its_policies(server: Server) -> None:
    for one_role in (False, True):
        with own_database(server) as own:
            if one_role:
                own.service_url = own.owner_url
            assert run_baton("init", **urls(own), **ON).returncode == 0
            options = ["--enable-row-security"] if one_role else []
            # In a shell without the setting, too.
            for setting in (ON, OFF):
                dump = run_baton("pg", "pg_dump", "--inserts", *options, **urls(own), **setting)
                assert dump.returncode == 0, dump.stderr
                assert "INSERT INTO public.members" in dump.stdout
