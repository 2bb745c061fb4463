"""`baton doctor`: checks of the installation, each with advice."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

import aiosmtplib
import asyncpg
from redis.asyncio import Redis

from models.migrate import UnknownRevisionError, is_migrated
from models.row_scope import connect_across
from models.row_security import row_security_fault
from notifications.email.smtp import Smtp
from server.data_dir import advice_on_openness, openness
from server.database_check import DatabaseCheckError, reach
from server.embedded.release import embedded_release
from server.oidc.routes import load_provider
from server.secret_key import FILE_NAME, SecretKeyError
from server.services import DatabaseUrls, unknown_revision
from server.settings import (
    WITHOUT_ISSUER,
    Settings,
    idle_variables,
    secret_key_of,
    unknown_variables,
)

TIMEOUT_SECONDS = 10.0
CLOCK_WARNING_SECONDS, CLOCK_FAILURE_SECONDS = 2.0, 60.0


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and the advice if it is not OK."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the finding for programs."""
        return {name: str(value) for name, value in asdict(self).items()}


async def examine(settings: Settings, urls: DatabaseUrls) -> AsyncIterator[Finding]:
    """Yield the findings of all checks, one after the other."""
    checks: list[tuple[str, Callable[[Settings, DatabaseUrls], Awaitable[Finding]]]] = [
        ("settings", _check_settings),
        ("data folder", _check_data_dir),
        ("secret key", _check_secret_key),
        ("database", _check_database),
        ("clock", _check_clock),
        ("pub/sub", _check_pubsub),
        ("mail", _check_mail),
    ]
    if settings.oidc_issuer:
        checks.append(("sign-in", _check_provider))
    for name, check in checks:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                yield await check(settings, urls)
        except Exception as error:
            reason = str(error) or f"no answer within {TIMEOUT_SECONDS:g} s"
            yield Finding(name, Verdict.FAILED, reason, _ADVICE[name])


_ADVICE = {
    "settings": "Read docs/settings.md.",
    "data folder": "Check BATON_DATA_DIR.",
    "secret key": "Set BATON_SECRET_KEY to the output of `openssl rand -hex 32`.",
    "database": "Check BATON_DATABASE_URL, and that the PostgreSQL runs and accepts connections.",
    "clock": "Check that the database answers.",
    "pub/sub": "Check that the server of BATON_BROADCAST_URL runs, or without it the database. Until then "
    "events are up to 2 s late.",
    "sign-in": "Check BATON_OIDC_ISSUER: it must equal the `issuer` of the discovery document.",
    "mail": "Check host, port, user and password in BATON_SMTP_URL.",
}


async def _check_settings(settings: Settings, _: DatabaseUrls) -> Finding:
    unknown = unknown_variables(os.environ)
    if unknown:
        detail = f"unknown: {', '.join(unknown)}"
        return Finding("settings", Verdict.WARNING, detail, "Correct or remove these variables.")
    if idle := idle_variables(os.environ):
        return Finding("settings", Verdict.WARNING, f"without effect: {', '.join(idle)}", WITHOUT_ISSUER)
    if settings.public_url is None and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        advice = "Set BATON_PUBLIC_URL, so that links in notifications work."
        return Finding("settings", Verdict.WARNING, f"links lead to {settings.url}", advice)
    return Finding("settings", Verdict.OK, f"the service is at {settings.url}")


async def _check_secret_key(settings: Settings, _: DatabaseUrls) -> Finding:
    if settings.secret_key:
        return Finding("secret key", Verdict.OK, "set by BATON_SECRET_KEY")
    try:
        secret_key_of(settings)
    except SecretKeyError as error:
        return Finding("secret key", Verdict.FAILED, str(error), _ADVICE["secret key"])
    detail = f"kept in {settings.data_dir / FILE_NAME}"
    if settings.database_url:
        advice = "Other machines need the same key: set BATON_SECRET_KEY everywhere."
        return Finding("secret key", Verdict.WARNING, detail, advice)
    return Finding("secret key", Verdict.OK, f"{detail}; back it up with the database")


async def _check_database(_: Settings, urls: DatabaseUrls) -> Finding:
    for url in dict.fromkeys((urls.owner, urls.service)):
        try:
            await reach(url)
        except DatabaseCheckError as error:
            return Finding("database", Verdict.FAILED, str(error), _ADVICE["database"])
    try:
        migrated = await is_migrated(urls.owner)
    except UnknownRevisionError as error:
        return Finding("database", Verdict.FAILED, unknown_revision(error), _ADVICE["database"])
    if not migrated:
        advice = "Run `baton migrate`, or start `baton serve`, which migrates."
        return Finding("database", Verdict.WARNING, "is not at this version of Baton", advice)
    if fault := await row_security_fault(urls.service, urls.row_security):
        return Finding("database", Verdict.FAILED, "row-level security does not fit the settings", fault)
    connection = await connect_across(urls.service, timeout=TIMEOUT_SECONDS)
    try:
        workspaces = await connection.fetchval("SELECT count(*) FROM workspaces WHERE NOT scratch")
        version = connection.get_server_version()
    finally:
        await connection.close()
    kind = "embedded PostgreSQL" if urls.embedded else "PostgreSQL"
    # From version 10 on, asyncpg has the minor release in `micro`.
    count = f"{workspaces} workspace{'' if workspaces == 1 else 's'}"
    detail = f"{kind} {version.major}.{version.micro}, migrated, {count}"
    detail += ", row-level security" if urls.row_security else ""
    if urls.embedded:
        release = embedded_release(urls.embedded.location.install)
        detail += f", released {release.released or 'on an unknown day'} ({release.age_days()} days ago)"
        if release.is_old():
            advice = "Install a newer version of Baton, or use a PostgreSQL of your own: docs/operations.md."
            return Finding("database", Verdict.WARNING, detail, advice)
    return Finding("database", Verdict.OK, detail)


async def _check_data_dir(settings: Settings, _: DatabaseUrls) -> Finding:
    if reason := openness(settings.data_dir):
        return Finding("data folder", Verdict.WARNING, reason, advice_on_openness(settings.data_dir))
    return Finding("data folder", Verdict.OK, f"{settings.data_dir} is open to its account only")


async def _check_clock(_: Settings, urls: DatabaseUrls) -> Finding:
    connection = await asyncpg.connect(urls.service, timeout=TIMEOUT_SECONDS)
    try:
        before = datetime.now(UTC)
        database: datetime = await connection.fetchval("SELECT clock_timestamp()")
        after = datetime.now(UTC)
    finally:
        await connection.close()
    ahead = max((database - after).total_seconds(), (before - database).total_seconds(), 0.0)
    detail = f"differs from the database's by {ahead:.1f} s"
    if ahead < CLOCK_WARNING_SECONDS:
        return Finding("clock", Verdict.OK, detail)
    verdict = Verdict.WARNING if ahead < CLOCK_FAILURE_SECONDS else Verdict.FAILED
    return Finding("clock", verdict, detail, "Synchronise both machines by NTP: tokens depend on it.")


async def _check_pubsub(settings: Settings, urls: DatabaseUrls) -> Finding:
    url = settings.broadcast_url or urls.service
    if url.startswith("redis"):
        await _round_trip_redis(url)
        return Finding("pub/sub", Verdict.OK, "Redis carries wake-ups")
    await _round_trip_postgres(url)
    return Finding("pub/sub", Verdict.OK, "PostgreSQL carries wake-ups")


async def _round_trip_redis(url: str) -> None:
    channel, word = f"baton doctor {secrets.token_hex(4)}", secrets.token_hex(4)
    async with Redis.from_url(url) as redis, redis.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        await redis.publish(channel, word)
        async for message in pubsub.listen():
            if message["type"] == "message" and message["data"] == word.encode():
                return


async def _round_trip_postgres(url: str) -> None:
    channel, received = f"baton_doctor_{secrets.token_hex(4)}", asyncio.Event()
    connection = await asyncpg.connect(url, timeout=TIMEOUT_SECONDS)
    try:
        await connection.add_listener(channel, lambda *_: received.set())
        await connection.execute(f"NOTIFY {channel}")
        await received.wait()
    finally:
        await connection.close()


async def _check_mail(settings: Settings, _: DatabaseUrls) -> Finding:
    if settings.smtp_url is None:
        advice = "Set BATON_SMTP_URL to send notifications by email."
        return Finding("mail", Verdict.WARNING, "no mail server is set", advice)
    smtp = Smtp.of(settings.smtp_url)
    starttls = {"always": True, "never": False}.get(smtp.starttls, True if smtp.user else None)
    client = aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        use_tls=smtp.tls,
        start_tls=False if smtp.tls else starttls,
        username=smtp.user,
        password=smtp.password,
        timeout=TIMEOUT_SECONDS / 2,
    )
    async with client:
        await client.noop()
    return Finding("mail", Verdict.OK, f"{smtp.host}:{smtp.port} accepts this sender's connection")


async def _check_provider(settings: Settings, _: DatabaseUrls) -> Finding:
    provider = load_provider(settings)
    assert provider is not None  # the settings are complete if they name an issuer
    keys = await provider.check()
    return Finding("sign-in", Verdict.OK, f"{settings.oidc_issuer} answers as this issuer, with {keys} keys")
