"""The API in this process, on a running server's database, with every statement counted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
from sqlalchemy import Engine, event

from models.database import Database
from realtime.transaction import Transactions
from resolvers.context import Context, Services
from resolvers.credentials import actor_of
from schema.execution import execute
from schema.operation import Operation
from server.services import open_services
from server.settings import Settings
from tests.support.baton_client import Caller, Server
from tests.support.baton_process import SCOPE


class _CountedDatabase(Database):
    """A database that lists the statements that are sent to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url, scope=SCOPE)
        self.statements: list[str] = []

    async def fetch(self, sql: str, *values: Any, **options: Any) -> list[asyncpg.Record]:
        self.statements.append(sql)
        return await super().fetch(sql, *values, **options)

    async def execute_write(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        self.statements.append(sql)
        return await super().execute_write(sql, *values)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        async with super().connection() as connection:
            with connection.query_logger(lambda record: self.statements.append(record.query)):
                yield connection
                await asyncio.sleep(0)  # the logger is called by the event loop


@dataclass(frozen=True)
class CountedApi:
    """GraphQL without a transport."""

    services: Services
    database: _CountedDatabase

    async def context(self, caller: Caller) -> Context:
        """Return a context for the holder of the caller's credential."""
        actor = None
        if caller.token:
            actor = await actor_of(self.services.database, self.services.widget_tokens, caller.token)
            assert actor
        return Context(self.services, actor)

    async def ask(self, context: Context, query: str, **variables: Any) -> tuple[dict[str, Any], list[str]]:
        """Return the answer, and the statements that it took after the credential was read."""
        self.database.statements.clear()
        answer = await execute(Operation(query, variables, None), context)
        return answer, list(self.database.statements)


@asynccontextmanager
async def counted_api(server: Server) -> AsyncIterator[CountedApi]:
    """Open the API on the server's database."""
    settings = Settings(data_dir=server.data_dir, database_url=server.service_url)
    counted = _CountedDatabase(server.service_url)

    def count(*given: Any) -> None:
        counted.statements.append(given[2])

    async with open_services(settings, server.service_url, live=False) as opened:
        event.listen(Engine, "before_cursor_execute", count)
        try:
            transactions = Transactions(counted, lambda _: None)
            services = replace(
                opened.services, database=counted, list_database=counted, transactions=transactions
            )
            yield CountedApi(services, counted)
        finally:
            event.remove(Engine, "before_cursor_execute", count)
            await counted.close()
