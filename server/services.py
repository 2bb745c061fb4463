"""Standing up what every process needs: the database, the bell, the feed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from models.database import Database
from models.grants import grant_service
from models.migrate import migrate
from models.sealing import Seal
from notifications.email.smtp import Smtp
from notifications.services import Office
from realtime.cancellation import stop
from realtime.feed import Feed
from realtime.pubsub import Bell
from realtime.retention import purge_for_ever
from realtime.timers import install_timers
from realtime.transaction import Acts
from resolvers.context import House
from resolvers.credentials import WidgetTokens
from resolvers.passwords import Passwords
from resolvers.rate_limits import Limits
from server.database_check import reach
from server.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError, embedded_postgres
from server.settings import Settings, secret_of

REVIVE_SECONDS = 2.0
CLOSE_SECONDS = 3.0

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Urls:
    """Whom migrations run as, and whom the service connects as."""

    owner: str
    service: str
    embedded: EmbeddedPostgres | None = None


@contextmanager
def database_urls(settings: Settings) -> Iterator[Urls]:
    """The database that is set, else the embedded one, which runs as long as somebody is in the block."""
    if settings.database_url:
        yield Urls(settings.migration_url or settings.database_url, settings.database_url)
        return
    with embedded_postgres(settings.data_dir) as embedded:
        yield Urls(embedded.owner_url, embedded.service_url, embedded)


async def keep_embedded_running(embedded: EmbeddedPostgres) -> None:
    """Nobody else starts it again when it is killed. Runs until cancelled."""
    while True:
        await asyncio.sleep(REVIVE_SECONDS)
        try:
            if await asyncio.to_thread(embedded.revive):
                _logger.warning("embedded_postgres.revived")
        except EmbeddedPostgresError as error:
            _logger.error("embedded_postgres.dead", error=str(error))


async def prepare(urls: Urls) -> None:
    """Brings the database up to this version."""
    for url in dict.fromkeys((urls.owner, urls.service)):
        await reach(url)
    await migrate(urls.owner)
    await install_timers(urls.owner)
    if urls.owner != urls.service:
        await grant_service(urls.owner, urls.service)


@asynccontextmanager
async def open_house(
    settings: Settings, url: str, *, live: bool = True, mail_folder: Path | None = None
) -> AsyncIterator[House]:
    """
    Everything that stands for a process's life.

    Without `live` it follows nothing, wakes nobody, and sets no timers: its acts are not of this time.
    Without a mail server mails go to `mail_folder`, if one is given.
    """
    database = Database(url)
    feed = Feed(database.beside())
    broadcast = settings.broadcast_url or url
    bell = Bell(broadcast, on_ring=feed.wake, on_typing=feed.hand_on_typing, on_recover=feed.wake_all)
    redis = broadcast if broadcast.startswith("redis") else None
    acts = Acts(database, bell.ring, in_time=live)
    # What only looks in, such as `baton init`, hands out no token that is to be read later.
    secret = secret_of(settings) if live else secrets.token_hex()
    seal = Seal(secret)
    machine = urlsplit(settings.public_url).hostname if settings.public_url else None
    office = Office(
        database=database,
        acts=acts,
        seal=seal,
        url=settings.url,
        slack_api_url=settings.slack_api_url,
        smtp=Smtp.of(settings.smtp_url, machine=machine) if settings.smtp_url else None,
        mail_folder=mail_folder,
        allow_private=settings.webhook_allow_private,
    )
    house = House(
        database=database,
        acts=acts,
        feed=feed,
        bell=bell,
        widget_tokens=WidgetTokens(secret),
        seal=seal,
        outside=office,
        passwords=Passwords(),
        limits=Limits(redis),
    )
    loops = [bell.run(), feed.run(), purge_for_ever(database)] if live else []
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield house
    finally:
        await stop(tasks)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await feed.database.close()
                await database.close()
        except TimeoutError:
            _logger.warning("house.database_left_open")
