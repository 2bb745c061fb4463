"""The commands `secret-key rotate`, `reseal` and `forget`."""

import asyncio

import typer

from models.sealing import UnreadableSecretError, key_id
from resolvers.reseal import reseal_secrets
from server.cli.reporting import command_settings, write_text
from server.secret_key import FILE_NAME, SecretKeyError, forget_old_keys, rotate_kept_key, split_secret_keys
from server.services import database_urls, open_services, prepare
from server.settings import Settings, secret_key_of

secret_key_app = typer.Typer(no_args_is_help=True, help="The secret keys: see docs/operations.md.")


@secret_key_app.command("rotate")
def rotate() -> None:
    """Put a new key before those of the data folder. Restart every process afterwards."""
    with command_settings() as settings:
        _require_kept(settings)
        _print_keys(rotate_kept_key(settings.data_dir))
        write_text("Restart every process, then run `baton secret-key reseal`.\n")


@secret_key_app.command("forget")
def forget() -> None:
    """Remove all keys but the newest from the data folder, once no token of them can be valid."""
    with command_settings() as settings:
        _require_kept(settings)
        _print_keys(forget_old_keys(settings.data_dir))
        write_text("Restart every process.\n")


@secret_key_app.command("reseal")
def reseal() -> None:
    """Seal the secrets of Slack, webhooks, identities and second factors with the newest key."""
    with command_settings() as settings, database_urls(settings) as urls:

        async def run() -> int:
            await prepare(urls)
            async with open_services(settings, urls.service) as opened:
                return await reseal_secrets(opened.services)

        try:
            count = asyncio.run(run())
        except UnreadableSecretError as error:
            raise SecretKeyError(str(error)) from error
        write_text(f"resealed {count} with key {_shown(split_secret_keys(secret_key_of(settings))[0])}\n")


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
