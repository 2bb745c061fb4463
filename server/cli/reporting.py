"""The frame of every command: logs, settings, signals, and failures in words."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from resolvers.errors import BatonError
from server.database_check import DatabaseCheckError
from server.embedded.location import EmbeddedPostgresError
from server.listener import PortTakenError
from server.logging_setup import set_up_logs
from server.secret_key import SecretKeyError
from server.settings import Settings, SettingsError, read_settings
from server.stop_signals import stop_signals

_EXPECTED = (
    SettingsError,
    SecretKeyError,
    EmbeddedPostgresError,
    DatabaseCheckError,
    PortTakenError,
    BatonError,
)


@contextmanager
def command_settings() -> Iterator[Settings]:
    """Set up the logs and yield the settings; failures that the user can mend end the command in words."""
    writer = set_up_logs("info")
    for number in stop_signals():
        if number is not signal.SIGINT:
            # As an exception, so that blocks are left in order and an embedded PostgreSQL is stopped.
            signal.signal(number, lambda given, _: sys.exit(128 + given))
    try:
        settings = read_settings()
        set_up_logs(settings.log_level)
        yield settings
    except _EXPECTED as error:
        errors = Console(file=writer)  # type: ignore[arg-type]  # it has what the console calls
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def write_text(text: str) -> None:
    """Write to standard output; characters that its encoding lacks are replaced."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def write_utf8(text: str) -> None:
    """Write JSON or a schema to standard output, as UTF-8 in every locale."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
