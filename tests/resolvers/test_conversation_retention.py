"""Retention of closed conversations, by the days that an AI agent's settings allow."""

import asyncpg
import pytest

from resolvers.conversation_retention import expire_conversations
from rules.typeid import CONVERSATION, parse_id
from server.services import open_services
from server.settings import Settings
from tests.notifications.test_erasure import FIGURES, LONG_AGO
from tests.support.baton_client import Server, Workspace, wait_for
from tests.support.older_data import SECRET
from tests.support.own_database import own_database

pytestmark = pytest.mark.anyio

WORD = "zqxretention"
CUSTOMER = {"email": f"{WORD}@example.com"}
SETTINGS = """query($id: ID!) { escalationSettings(agentId: $id) { version
    retention { closedConversationDays } } }"""
CONTENT = """query($id: ID!) { conversation(id: $id) { customer { email }
    messages(first: 10) { nodes { role content } } escalations(first: 5) { nodes { reason } } } }"""
OTHERS = """SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
UPDATED = """SELECT relname, n_tup_upd - n_tup_hot_upd AS into_indexes FROM pg_stat_user_tables
    WHERE relname IN ('conversations', 'escalations', 'messages') AND n_tup_upd > 0 ORDER BY 1"""
RESOLVE = """mutation($id: ID!) { resolveEscalation(input: {escalationId: $id}) { escalation { status } } }"""


async def expire(server: Server) -> int:
    """Do what the worker does once an hour."""
    settings = Settings(data_dir=server.data_dir, database_url=server.service_url)
    async with open_services(settings, server.service_url, live=False) as opened:
        return await expire_conversations(opened.services)


def keep(workspace: Workspace, days: int | None) -> None:
    workspace.key.settings(workspace.agent_id, retention={"closedConversationDays": days})


class Talk:
    """A conversation that holds the word in a message, in its customer and in an escalation."""

    def __init__(
        self, workspace: Workspace, *, resolved: bool = True, customer: dict[str, str] | None = CUSTOMER
    ) -> None:
        self.workspace = workspace
        started = workspace.start(customer=customer) if customer else workspace.start()
        self.widget = workspace.widget(started)
        self.id = str(started["conversation"]["id"])
        self.key = parse_id(CONVERSATION, self.id)
        workspace.key.record(self.id, "USER", f"my {WORD}")
        workspace.key.record(self.id, "ASSISTANT", f"your {WORD}", confidence=90)
        escalated = workspace.key.escalate(self.id, f"about {WORD}")
        if resolved:
            workspace.key.ask(RESOLVE, id=escalated["escalation"]["id"])

    def age(self, days: int, *, since_resolution: int | None = None) -> "Talk":
        """Move all of it into the past; its escalations were resolved `since_resolution` days ago."""
        execute = self.workspace.server.execute
        execute(
            "UPDATE conversations SET last_message_at = now() - make_interval(days => $2) WHERE id = $1",
            self.key,
            days,
        )
        execute(
            "UPDATE escalations SET resolved_at = now() - make_interval(days => $2) "
            "WHERE conversation_id = $1 AND status = 'RESOLVED'",
            self.key,
            days if since_resolution is None else since_resolution,
        )
        return self

    @property
    def holds_the_word(self) -> bool:
        shown = str(self.workspace.key.ask(CONTENT, id=self.id))
        assert (WORD in shown) is not ("[erased]" in shown)
        return WORD in shown


def days_of(workspace: Workspace) -> tuple[int | None, int]:
    settings = workspace.key.ask(SETTINGS, id=workspace.agent_id)["escalationSettings"]
    return settings["retention"]["closedConversationDays"], settings["version"]


def test_retention_is_for_ever_until_it_is_set(workspace: Workspace) -> None:
    assert days_of(workspace) == (None, 1)
    keep(workspace, 30)
    assert days_of(workspace) == (30, 2)
    keep(workspace, None)
    assert days_of(workspace) == (None, 3)


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_number_of_days_out_of_range_is_refused_and_changes_nothing(workspace: Workspace, days: int) -> None:
    refused = workspace.key.refusal(
        """mutation($id: ID!, $days: Int) { updateEscalationSettings(input: {agentId: $id,
            retention: {closedConversationDays: $days}}) { settings { version } } }""",
        id=workspace.agent_id,
        days=days,
    )
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.retention.closedConversationDays")
    assert days_of(workspace) == (None, 1)


async def test_closed_conversation_loses_its_words_after_its_days(workspace: Workspace) -> None:
    keep(workspace, 30)
    old = Talk(workspace).age(31)
    recent = Talk(workspace).age(29)
    open_still = Talk(workspace, resolved=False).age(31)
    resolved_lately = Talk(workspace).age(31, since_resolution=2)
    figures = workspace.key.ask(FIGURES, agent=workspace.agent_id, **LONG_AGO)
    await expire(workspace.server)
    assert not old.holds_the_word
    assert all(talk.holds_the_word for talk in (recent, open_still, resolved_lately))
    assert old.widget.refusal(CONTENT, id=old.id).code == "UNAUTHENTICATED"
    after = workspace.key.ask(FIGURES, agent=workspace.agent_id, **LONG_AGO)
    for answer in (figures, after):
        # A caller's reason is a word, too.
        answer["escalationAnalytics"].pop("topReasons")
    assert after == figures
    assert await expire(workspace.server) == 0


async def test_conversation_of_an_agent_without_retention_is_kept(
    workspace: Workspace, other: Workspace
) -> None:
    keep(workspace, 1)
    kept = Talk(other).age(3_000)
    erased = Talk(workspace).age(2)
    await expire(workspace.server)
    assert (kept.holds_the_word, erased.holds_the_word) == (True, False)


async def test_locked_conversation_is_left_to_the_next_time(workspace: Workspace) -> None:
    keep(workspace, 1)
    first, second = Talk(workspace).age(3), Talk(workspace).age(2)
    connection = await asyncpg.connect(workspace.server.owner_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM conversations WHERE id = $1 FOR UPDATE", first.key)
            await expire(workspace.server)
        assert (first.holds_the_word, second.holds_the_word) == (True, False)
    finally:
        await connection.close()
    await expire(workspace.server)
    assert not first.holds_the_word


async def test_erasure_of_a_customer_without_a_name_writes_no_entry_into_indexes(server: Server) -> None:
    with own_database(server) as own:
        own.start(
            BATON_DATABASE_URL=own.service_url, BATON_MIGRATION_URL=own.owner_url, BATON_SECRET_KEY=SECRET
        )
        workspace = own.new_workspace()
        keep(workspace, 1)
        talk = Talk(workspace, customer=None).age(2)
        own.stop()
        wait_for(lambda: not own.rows(OTHERS), "the server's connections to end")
        superuser = Server(own.data_dir, own.owner_url.replace("baton_owner@", "postgres@"), "")
        own.execute("SELECT pg_stat_force_next_flush()")
        superuser.execute("SELECT pg_stat_reset()")
        assert await expire(own) == 1
        wait_for(lambda: len(own.rows(UPDATED)) == 3, "the statistics")
        assert [row["into_indexes"] for row in own.rows(UPDATED)] == [0, 0, 0]
        assert own.rows("SELECT content FROM messages WHERE conversation_id = $1", talk.key)[0] == {
            "content": "[erased]"
        }
