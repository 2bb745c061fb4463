"""Two equal databases, on which the same calls are played by the ledger and by sessions."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from models.base import Base
from models.database import Database
from models.ids import new_id
from models.plain_row import PlainRow, model_of
from models.write_statement import columns_of
from realtime.pubsub import Wakeup
from resolvers.actor import Actor, ActorKind
from resolvers.context import Context, Services
from resolvers.conversation import start_conversation
from resolvers.customer import Customer
from resolvers.errors import BatonError
from resolvers.workspace import MadeWorkspace, NewWorkspace, make_workspace
from rules.agent_settings import EscalationSettings
from rules.roles import EVERY_SCOPE
from server.services import DatabaseUrls, open_services, prepare
from server.settings import Settings
from tests.support.baton_client import Server
from tests.support.baton_process import ROW_SECURITY
from tests.support.session_transactions import ClockedTransactions, FixedClock, SessionTransactions

MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)

# What a call writes by the clock of the process or of PostgreSQL, and not by that of its transaction.
_PASSING = "- 'created' - 'updated' - 'heartbeat' - 'last_used_at'"
# Triggers fill the queue of the roll-ups, in an order that means nothing.
_OF_TABLE = {"idempotency_keys": " - 'created_at'", "analytics_changes": " - 'id'"}
_TABLES = """SELECT table_name AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"""
_EMPTY = """TRUNCATE conversations, log, idempotency_keys, search_entries, pgqueuer, pgqueuer_log
    RESTART IDENTITY CASCADE"""


@dataclass(frozen=True)
class Call:
    """One call: its name, a number that selects its target and variant, and the seconds before it."""

    name: str
    choice: int
    after: int


@dataclass
class Play:
    """A play under way on one database. Conversations are those of the play, escalations the newest first."""

    services: Services
    database: Database
    made: MadeWorkspace
    emails: Sequence[str]
    clock: FixedClock
    conversations: list[UUID]

    def context(self, kind: ActorKind, conversation_id: UUID) -> Context:
        """Return a context for a caller of a kind."""
        actor = {
            ActorKind.API_KEY: Actor(
                kind, self.made.workspace_id, EVERY_SCOPE, api_key_id=self.made.api_key_id
            ),
            ActorKind.TEAM_MEMBER: Actor(
                kind, self.made.workspace_id, EVERY_SCOPE, member_id=self.made.admin.id
            ),
            ActorKind.CUSTOMER: Actor(kind, self.made.workspace_id, conversation_id=conversation_id),
        }[kind]
        return Context(self.services, actor, replay_clock=self.clock.now)

    async def newest(self, table: str, conversation_id: UUID, condition: str = "true") -> UUID | None:
        """Return the id of the newest row of a conversation in a table."""
        newest = f"SELECT id FROM {table} WHERE conversation_id = $1 AND {condition} ORDER BY id DESC LIMIT 1"
        rows = await self.database.fetch(newest, conversation_id)
        return rows[0]["id"] if rows else None


@dataclass(frozen=True)
class Refusal:
    """The error of a call that was refused."""

    kind: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """The results or refusals of the calls, the wake-ups, and all rows of all tables afterwards."""

    results: list[Any]
    wakeups: list[Wakeup]
    rows: list[str]


Perform = Callable[[Play, Call], Awaitable[Any]]


class Twins:
    """The two databases, and the ids of new rows, which are the same in both."""

    def __init__(self, urls: Sequence[str], runner: asyncio.Runner) -> None:
        self._urls = urls
        self._run = runner.run
        self._stack = AsyncExitStack()
        self._next_id = 0
        self._kinds = (ClockedTransactions, SessionTransactions)

    def new_id(self) -> UUID:
        """Return the next id, in order."""
        self._next_id += 1
        return UUID(int=(1 << 126) + self._next_id)

    def open(self, server: Server, seed: Callable[[str], Awaitable[MadeWorkspace]]) -> None:
        """Create the first database with a workspace in it, and the second as its copy."""
        first, second = (urlsplit(url).path[1:] for url in self._urls)
        superuser = server.owner_url.replace("baton_owner@", "postgres@")

        async def create() -> None:
            await _execute(superuser, f"CREATE DATABASE {first} OWNER baton_owner")
            self._made = await seed(self._urls[0])
            await _execute(superuser, f"CREATE DATABASE {second} TEMPLATE {first} OWNER baton_owner")
            settings = Settings(data_dir=server.data_dir, database_url=self._urls[0])
            self._services = [
                (await self._stack.enter_async_context(open_services(settings, url, live=False))).services
                for url in self._urls
            ]

        self._run(create())

    def close(self) -> None:
        """Close the pools."""
        self._run(self._stack.aclose())

    def play(
        self, calls: Sequence[Call], settings: EscalationSettings, perform: Perform
    ) -> tuple[Outcome, Outcome]:
        """Play the calls on the empty databases and return both outcomes."""
        self._next_id = 0
        by_ledger = self._run(self._play(0, calls, settings, perform))
        self._next_id = 0
        return by_ledger, self._run(self._play(1, calls, settings, perform))

    async def _play(
        self, number: int, calls: Sequence[Call], settings: EscalationSettings, perform: Perform
    ) -> Outcome:
        clock, wakeups = FixedClock(MONDAY), list[Wakeup]()
        services = self._services[number]
        transactions = self._kinds[number](services.database, wakeups.append, clock)
        emails = [
            row["email"] for row in await services.database.fetch("SELECT email FROM members ORDER BY email")
        ]
        play = Play(
            replace(services, transactions=transactions), services.database, self._made, emails, clock, []
        )
        await self._empty(services.database, settings)
        for _ in range(2):
            context = play.context(ActorKind.API_KEY, self._made.workspace_id)
            started = await start_conversation(context, self._made.agent.id, Customer("c-1", None, "Jane"))
            play.conversations.append(started.conversation_id)
        results = []
        for call in calls:
            clock.now += timedelta(seconds=call.after)
            results.append((call.name, await self._result(perform(play, call))))
        return Outcome(results, wakeups, await self._rows(services.database))

    async def _empty(self, database: Database, settings: EscalationSettings) -> None:
        workspace_id = self._made.workspace_id
        await database.fetch(_EMPTY)
        await database.fetch("DELETE FROM streams WHERE id <> $1", workspace_id)
        await database.fetch("UPDATE streams SET head = 0 WHERE id = $1", workspace_id)
        await database.fetch("UPDATE agents SET settings = $1", settings.model_dump_json())

    async def _result(self, call: Awaitable[Any]) -> Any:
        try:
            return _plain(await call)
        except BatonError as error:
            return Refusal(type(error).__name__, str(error))

    async def _rows(self, database: Database) -> list[str]:
        names = [row["name"] for row in await database.fetch(_TABLES)]
        content = " UNION ALL ".join(
            f"SELECT '{name} ' || (to_jsonb(t) {_PASSING}{_OF_TABLE.get(name, '')})::text row FROM {name} t"
            for name in names
        )
        return sorted(row["row"] for row in await database.fetch(content))


def _plain(result: Any) -> Any:
    """Return rows as their values, so that rows of both kinds can be compared."""
    if isinstance(result, Base | PlainRow):
        values = vars(result)
        # A session leaves out what is null, and reads what the database computes.
        return {key: values.get(key) for key in columns_of(model_of(result)) if key != "priority_rank"}
    if is_dataclass(result) and not isinstance(result, type):
        names = [field.name for field in fields(result)]
        return {name: _plain(getattr(result, name)) for name in names}
    return result


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def open_twins(server: Server, new: NewWorkspace, more: Sequence[Any]) -> Iterator[Twins]:
    """Open two databases of their own, with a workspace and more team members."""
    names = [f"twin_{new_id().hex}" for _ in range(2)]
    urls = [urlunsplit(urlsplit(server.owner_url)._replace(path=f"/{name}")) for name in names]

    async def seed(url: str) -> MadeWorkspace:
        await prepare(DatabaseUrls(url, url, row_security=ROW_SECURITY))
        settings = Settings(data_dir=server.data_dir, database_url=url)
        async with open_services(settings, url, live=False) as opened:
            made = await make_workspace(opened.services, new)
            async with opened.services.transactions.begin() as tx:
                for member in more:
                    tx.session.add(member(made.workspace_id))
        return made

    with asyncio.Runner() as runner:
        twins = Twins(urls, runner)
        twins.open(server, seed)
        try:
            yield twins
        finally:
            twins.close()
            superuser = server.owner_url.replace("baton_owner@", "postgres@")
            runner.run(_execute(superuser, *(f"DROP DATABASE {name} WITH (FORCE)" for name in names)))
