"""The context of every query and mutation."""

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.compiled_select import Shown
from models.database import Database, QueryTimeoutError
from models.row_scope import EVERY_WORKSPACE, scope_of
from models.sealing import Seal
from realtime.feed import Feed
from realtime.keyed_semaphore import KeyedSemaphore
from realtime.pubsub import PubSub
from realtime.transaction import Transactions
from resolvers.actor import Actor
from resolvers.call_record import CallRecord
from resolvers.credentials import WidgetTokens
from resolvers.device_tokens import DeviceTokens
from resolvers.errors import QueryTooSlowError, UnauthenticatedError
from resolvers.passwords import Passwords
from resolvers.rate_limits import MutationLimits, RateLimiter, StartLimits
from resolvers.sign_in_rules import SignInRules
from resolvers.trusted_documents import TrustedDocuments

# What makes a list faster, for GraphQL and REST.
NARROWER_LIST = (
    "Narrow the filter, for instance to one AI agent or one status; in a search, give longer words."
)


class ExternalServices(Protocol):
    """Checks against external services, which notifications implement."""

    @property
    def email_connected(self) -> bool:
        """True when a mail server is configured."""

    @property
    def sends_email(self) -> bool:
        """True when emails are sent, or kept in a folder."""

    @property
    def confirmed_domains(self) -> Collection[str]:
        """The domains whose addresses need no confirmation; “*” is every domain."""

    async def url_error(self, url: str) -> str | None:
        """Return why events may not be posted to the URL, with a message for the user, or None."""

    async def slack_team(self, token: str) -> str:
        """Return the Slack workspace of a bot token.

        Raises ValueError for an invalid token and ConnectionError when Slack is unreachable, both with a
        message for the user.
        """

    def new_webhook_secret(self) -> str:
        """Return a new secret, “whsec_…”."""


@dataclass(frozen=True, slots=True)
class Services:
    """The objects that live as long as the process.

    Live events are read through `live_database`, a pool of their own: no request is in their way. Lists,
    searches, counts and analytics are read through `list_database`: they are in the way of nothing else.

    With row-level security, those of the process see every workspace, and those of a context its caller's.
    """

    database: Database
    live_database: Database
    list_database: Database
    transactions: Transactions
    feed: Feed
    pubsub: PubSub
    widget_tokens: WidgetTokens
    device_tokens: DeviceTokens
    passwords: Passwords
    rate_limiter: RateLimiter
    seal: Seal
    external: ExternalServices
    start_limits: StartLimits
    mutation_limits: MutationLimits
    session_idle: timedelta
    sign_in_rules: SignInRules
    trusted_documents: TrustedDocuments
    calls_of_row: KeyedSemaphore

    def of_workspace(self, workspace_id: UUID | None) -> "Services":
        """Return the services that see one workspace, or no row for None."""
        return self._in_scope(scope_of(workspace_id))

    def across_workspaces(self) -> "Services":
        """Return the services of Baton's own work, which see every workspace."""
        return self._in_scope(EVERY_WORKSPACE)

    def _in_scope(self, scope: str) -> "Services":
        database = self.database.in_scope(scope)
        if database is self.database:
            return self
        return replace(
            self,
            database=database,
            live_database=self.live_database.in_scope(scope),
            list_database=self.list_database.in_scope(scope),
            transactions=self.transactions.on(database),
        )


@dataclass(eq=False)
class Context:
    """The context of one call: the services, the caller and its network address.

    `shown` has the columns that the result shows, by model: rows that are read for it need no others.
    `origin` is that of the calling web page, as the browser named it. `replay_clock` replaces the database's
    clock in a replay. `device_cookie` and `user_agent` are those of the browser, or empty texts. `live`
    selects the pool for live events. The transport reports the call by `record`.

    The services see the rows of the caller's workspace; those of a context without a caller see none.
    """

    services: Services
    caller: Actor | None = None
    address: str = ""
    origin: str | None = field(default=None, kw_only=True)
    device_cookie: str = field(default="", kw_only=True)
    user_agent: str = field(default="", kw_only=True)
    replay_clock: datetime | None = field(default=None, kw_only=True)
    live: bool = field(default=False, kw_only=True)
    record: CallRecord = field(default_factory=CallRecord, kw_only=True)
    shown: Shown = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        self.services = self.services.of_workspace(self.caller.workspace_id if self.caller else None)

    def across_workspaces(self) -> Self:
        """Return a context of the same call that sees every workspace, as for a sign-in."""
        services = self.services.across_workspaces()
        if services is self.services:
            return self
        call = copy(self)
        call.services = services
        return call

    @property
    def actor(self) -> Actor:
        """The caller; raises UnauthenticatedError for a caller without credential."""
        if self.caller is None:
            raise UnauthenticatedError
        return self.caller

    @property
    def database(self) -> Database:
        """The pool to read from."""
        return self.services.live_database if self.live else self.services.database

    @contextmanager
    def list_database(self, advice: str = NARROWER_LIST) -> Iterator[Database]:
        """Provide the pool for lists; raises QueryTooSlowError in the block if a query takes too long."""
        try:
            yield self.services.live_database if self.live else self.services.list_database
        except QueryTimeoutError as error:
            raise QueryTooSlowError(error.seconds, advice) from error

    @asynccontextmanager
    async def list_session(self) -> AsyncIterator[AsyncSession]:
        """Open a session for a list; raises QueryTooSlowError if a query takes too long."""
        with self.list_database() as database:
            async with database.autocommit_session() as session:
                yield session
