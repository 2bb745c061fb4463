"""The commands `secret-key rotate`, `reseal` and `forget`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from models.sealing import UnreadableSecretError, key_id
from resolvers.context import Services
from resolvers.operator import record_everywhere
from resolvers.reseal import reseal_secrets
from rules.audit import AuditAction
from server.cli.reporting import command_settings, write_text
from server.embedded.location import cluster_location
from server.secret_key import FILE_NAME, SecretKeyError, forget_old_keys, rotate_kept_key, split_secret_keys
from server.services import DatabaseUrls, database_urls, open_services, prepare
from server.settings import Settings, secret_key_of

secret_key_app = typer.Typer(no_args_is_help=True, help="The secret keys: see docs/operations.md.")


@secret_key_app.command("rotate")
def rotate() -> None:
    """Put a new key before those of the data folder. Restart every process afterwards."""
    with command_settings() as settings:
        _require_kept(settings)
        with _recorded(settings, AuditAction.ROTATE_SECRET_KEY):
            keys = rotate_kept_key(settings.data_dir)
        _print_keys(keys)
        write_text("Restart every process, then run `baton secret-key reseal`.\n")


@secret_key_app.command("forget")
def forget() -> None:
    """Remove all keys but the newest from the data folder, once no token of them can be valid.

    It reseals first: what an old key has sealed could not be opened any more.
    """
    with command_settings() as settings:
        _require_kept(settings)
        with _recorded(settings, AuditAction.FORGET_SECRET_KEYS) as urls:
            if urls:
                _reseal(settings, urls)
            keys = forget_old_keys(settings.data_dir)
        _print_keys(keys)
        write_text("Restart every process.\n")


@secret_key_app.command("reseal")
def reseal() -> None:
    """Seal the secrets of Slack, webhooks, identities and second factors with the newest key."""
    with command_settings() as settings, database_urls(settings) as urls:
        asyncio.run(prepare(urls))
        _reseal(settings, urls)


def _reseal(settings: Settings, urls: DatabaseUrls) -> None:
    try:
        count = asyncio.run(_reseal_and_record(settings, urls))
    except UnreadableSecretError as error:
        raise SecretKeyError(str(error)) from error
    write_text(f"resealed {count} with key {_shown(split_secret_keys(secret_key_of(settings))[0])}\n")


async def _reseal_and_record(settings: Settings, urls: DatabaseUrls) -> int:
    async with open_services(settings, urls.service) as opened:
        count = await reseal_secrets(opened.services)
        await _record(opened.services, AuditAction.RESEAL_SECRETS, resealed=count)
        return count


@contextmanager
def _recorded(settings: Settings, action: AuditAction) -> Iterator[DatabaseUrls | None]:
    """Record the change of the block in the audit logs, unless there is no database yet.

    A database that cannot be reached ends the command before the block.
    """
    if settings.database_url is None and not cluster_location(settings.data_dir).has_cluster:
        yield None
        return
    with database_urls(settings) as urls:
        asyncio.run(prepare(urls))
        yield urls
        asyncio.run(_open_and_record(settings, urls, action))


async def _open_and_record(settings: Settings, urls: DatabaseUrls, action: AuditAction) -> None:
    async with open_services(settings, urls.service, live=False) as opened:
        await _record(opened.services, action)


async def _record(services: Services, action: AuditAction, **details: int) -> None:
    await record_everywhere(services.database, services.transactions, action, **details)


def _require_kept(settings: Settings) -> None:
    if settings.secret_key:
        raise SecretKeyError(
            "The keys are in BATON_SECRET_KEY: change that variable, the newest key first, separated by "
            "commas. See docs/operations.md."
        )


def _print_keys(keys: list[str]) -> None:
    for number, key in enumerate(keys):
        write_text(f"{_shown(key)}   {'signs and seals' if number == 0 else 'is still accepted'}\n")
    write_text(f"{FILE_NAME} has {len(keys)} of them.\n")


def _shown(key: str) -> str:
    return key_id(key).hex()
