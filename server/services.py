"""The services that every process needs: database, pub/sub, feed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import structlog

from models.database import DATABASE_ERRORS, Database, is_unavailable
from models.grants import grant_service
from models.migrate import Migration, UnknownRevisionError, migrate
from models.row_scope import EVERY_WORKSPACE
from models.row_security import RowSecurityError, align_row_security
from models.sealing import Seal
from notifications.email.smtp import Smtp
from notifications.services import NotificationServices
from realtime.cancellation import cancel_and_wait
from realtime.feed import Feed
from realtime.keyed_semaphore import KeyedSemaphore
from realtime.pubsub import PubSub
from realtime.retention import purge_periodically
from realtime.search_index import fill_search_index
from realtime.timers import install_timers
from realtime.transaction import Transactions
from realtime.viewings import follow_viewings
from resolvers.context import Services
from resolvers.credentials import WidgetTokens
from resolvers.device_tokens import DeviceTokens
from resolvers.operator import record_everywhere
from resolvers.passwords import Passwords
from resolvers.rate_limits import MutationLimits, RateLimiter, StartLimits
from resolvers.sign_in_rules import SignInRules
from rules.audit import AuditAction
from rules.mail_limits import MailLimits
from rules.storm import StormLimit
from schema.trusted_documents import read_trusted_documents
from server.database_check import DatabaseCheckError, reach, unreachable
from server.database_probe import DatabaseProbe
from server.embedded.location import EmbeddedPostgresError
from server.embedded.postgres import EmbeddedPostgres, embedded_postgres
from server.loop_lag import measure_loop_lag
from server.secret_key import split_secret_keys
from server.settings import Settings, secret_key_of

RESTART_SECONDS = 2.0
CLOSE_SECONDS = 3.0

_OWNER_ADVICE = (
    "Run `baton migrate` with BATON_MIGRATION_URL set to the role that owns the tables, then start again."
)
_OWN_DATABASE_ADVICE = "Give Baton a database of its own, or rename what has the same name."
_ADVICE = {  # by SQLSTATE
    "42P07": _OWN_DATABASE_ADVICE,
    "42710": _OWN_DATABASE_ADVICE,
    "25006": "It is a standby or was made read-only: set BATON_DATABASE_URL to the primary server, or "
    "make it writable, then start again.",
    "53100": "Free space on the disk of the database, then start again.",
}

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """The URLs of the role that runs migrations and of the role that the service connects as.

    `row_security` is true if policies must keep workspaces apart in this database.
    """

    owner: str
    service: str
    embedded: EmbeddedPostgres | None = None
    row_security: bool = False


@contextmanager
def database_urls(settings: Settings) -> Iterator[DatabaseUrls]:
    """Yield the database that is set, else the embedded one, which runs while any process is in the block."""
    if settings.database_url:
        owner = settings.migration_url or settings.database_url
        yield DatabaseUrls(owner, settings.database_url, row_security=settings.row_level_security)
        return
    with embedded_postgres(settings.data_dir) as embedded:
        owner, service = embedded.owner_url, embedded.service_url
        yield DatabaseUrls(owner, service, embedded, settings.row_level_security)


async def keep_embedded_running(embedded: EmbeddedPostgres) -> None:
    """Restart the embedded PostgreSQL when it has died, until cancelled."""
    while True:
        await asyncio.sleep(RESTART_SECONDS)
        try:
            if await asyncio.to_thread(embedded.restart_if_dead):
                _logger.warning("embedded_postgres.restarted")
        except EmbeddedPostgresError as error:
            _logger.error("embedded_postgres.failed", error=str(error))


async def prepare(urls: DatabaseUrls, *, switch_row_security: bool = False) -> Migration:
    """Bring the database up to this version; raises DatabaseCheckError when that cannot be done.

    Row-level security is turned on or off in a new database, and otherwise only with `switch_row_security`.
    """
    for url in dict.fromkeys((urls.owner, urls.service)):
        await reach(url)
    try:
        migration = await migrate(urls.owner)
        await _upgrade_timers(urls.owner, migration)
        if urls.owner != urls.service:
            await grant_service(urls.owner, urls.service)
        may_switch = switch_row_security or migration.before is None
        if await align_row_security(urls.owner, urls.service, urls.row_security, may_switch=may_switch):
            migration = replace(migration, row_security=urls.row_security)
        await _record_migration(urls.service, migration)
    except RowSecurityError as error:
        raise DatabaseCheckError(str(error)) from error
    except UnknownRevisionError as error:
        raise DatabaseCheckError(unknown_revision(error)) from error
    except DATABASE_ERRORS as error:
        raise _failed_preparation(urls.owner, error) from error
    return migration


def _failed_preparation(url: str, error: Exception) -> DatabaseCheckError:
    original = getattr(error, "orig", None) or error
    advice = _ADVICE.get(getattr(original, "sqlstate", ""))
    # It may end after it was reached: it is restarted, for instance.
    if advice is None and is_unavailable(error):
        return unreachable(url, _first_line(original) or type(original).__name__)
    return DatabaseCheckError(
        "The database cannot be brought up to this version of Baton: "
        f"{_first_line(original)}. {advice or _OWNER_ADVICE}"
    )


def unknown_revision(error: UnknownRevisionError) -> str:
    """Return the words for a database that this version of Baton cannot use."""
    return (
        f"The database is at revision {error}, which this version of Baton does not know: install the "
        "version that last migrated it, or a newer one, or give Baton a database of its own."
    )


async def _upgrade_timers(url: str, migration: Migration) -> None:
    try:
        await install_timers(url)
    except asyncpg.InsufficientPrivilegeError:
        # The service's role on a database that its owner has migrated.
        if migration.before != migration.after:
            raise


async def _record_migration(url: str, migration: Migration) -> None:
    if migration.before in (None, migration.after):
        return
    database = Database(url, scope=EVERY_WORKSPACE)
    try:
        await record_everywhere(
            database,
            Transactions(database, lambda _: None, timers_enabled=False),
            AuditAction.MIGRATE_DATABASE,
            before=migration.before,
            after=migration.after,
        )
    finally:
        await database.close()


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rpartition(">: ")[2]


@dataclass(frozen=True, slots=True)
class ProcessServices:
    """The services of resolvers, and those of notifications, which resolvers know only as a protocol.

    `probe` looks at the database over a connection of its own.
    """

    services: Services
    notifications: NotificationServices
    probe: DatabaseProbe


@asynccontextmanager
async def open_services(
    settings: Settings, url: str, *, live: bool = True, mail_folder: Path | None = None
) -> AsyncIterator[ProcessServices]:
    """Open the services of a process, and close them at the end of the block.

    Without `live` they follow no log, publish no wake-ups and set no timers. Without a mail server, mails go
    to `mail_folder`, if one is given.
    """
    scope = EVERY_WORKSPACE if settings.row_level_security else None
    database = Database(url, scope=scope)
    live_database = database.with_own_query_pool()
    list_database = Database(url, settings.list_connections, list_seconds=settings.list_seconds, scope=scope)
    feed = Feed(live_database)
    broadcast = settings.broadcast_url or url
    pubsub = PubSub(broadcast, on_wakeup=feed.wake, on_typing=feed.publish_typing, on_recover=feed.wake_all)
    transactions = Transactions(database, pubsub.publish_wakeup, timers_enabled=live)
    # Processes such as `baton init` issue no token and need no key.
    keys = split_secret_keys(secret_key_of(settings)) if live else [secrets.token_hex()]
    seal = Seal(*keys)
    notifications = _notification_services(settings, database, transactions, seal, mail_folder)
    services = Services(
        database=database,
        live_database=live_database,
        list_database=list_database,
        transactions=transactions,
        feed=feed,
        pubsub=pubsub,
        widget_tokens=WidgetTokens(*keys),
        device_tokens=DeviceTokens(*keys),
        seal=seal,
        external=notifications,
        passwords=Passwords(),
        rate_limiter=RateLimiter(broadcast if broadcast.startswith("redis") else None),
        start_limits=StartLimits(settings.starts_per_address, settings.starts_per_origin),
        mutation_limits=_mutation_limits(settings),
        session_idle=timedelta(hours=settings.session_idle_hours),
        sign_in_rules=_sign_in_rules(settings),
        calls_of_row=KeyedSemaphore(settings.requests_per_conversation),
        trusted_documents=read_trusted_documents(settings.widget_documents),
    )
    loops = _loops(pubsub, feed, database) if live else []
    probe = DatabaseProbe(url)
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield ProcessServices(services, notifications, probe)
    finally:
        await cancel_and_wait(tasks)
        probe.close()
        await _close(live_database, list_database, database)


def _loops(pubsub: PubSub, feed: Feed, database: Database) -> list[Coroutine[Any, Any, None]]:
    return [
        pubsub.run(),
        feed.run(),
        follow_viewings(feed),
        purge_periodically(database),
        measure_loop_lag(),
        fill_search_index(database),
    ]


def _sign_in_rules(settings: Settings) -> SignInRules:
    domains = frozenset(settings.oidc_domain_names)
    return SignInRules(settings.password_sign_in, domains, settings.oidc_new_members_in)


def _mutation_limits(settings: Settings) -> MutationLimits:
    return MutationLimits(
        messages_per_widget=settings.messages_per_widget,
        escalations_per_widget=settings.escalations_per_widget,
        per_widget=settings.writes_per_widget,
        per_key=settings.writes_per_key,
        per_member=settings.writes_per_member,
        per_conversation=settings.writes_per_conversation,
        per_address=settings.writes_per_address,
        per_workspace=settings.writes_per_workspace,
    )


def _mail_limits(settings: Settings) -> MailLimits:
    storm = StormLimit(settings.storm_notices, timedelta(minutes=settings.storm_minutes))
    return MailLimits(storm, settings.mails_per_recipient, settings.mails_per_workspace)


def _notification_services(
    settings: Settings, database: Database, transactions: Transactions, seal: Seal, mail_folder: Path | None
) -> NotificationServices:
    machine = urlsplit(settings.public_url).hostname if settings.public_url else None
    return NotificationServices(
        database=database,
        transactions=transactions,
        seal=seal,
        url=settings.url,
        slack_api_url=settings.slack_api_url,
        confirmed_domains=settings.confirmed_domain_names,
        mail_limits=_mail_limits(settings),
        smtp=Smtp.of(settings.smtp_url, machine=machine) if settings.smtp_url else None,
        mail_folder=mail_folder,
        allow_private=settings.webhook_allow_private,
    )


async def _close(*databases: Database) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            for database in databases:
                await database.close()
    except TimeoutError:
        _logger.warning("services.close_timeout")
