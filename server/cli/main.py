"""The command `baton`."""

import asyncio
import json
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from resolvers.errors import BatonError
from resolvers.member import NewMember
from resolvers.workspace import MadeWorkspace, NewWorkspace, make_workspace
from rules.roles import MemberRole
from rules.typeid import AGENT, WORKSPACE, format_id
from schema.api import printed_schema
from schema.permissions import printed_permissions
from server.cli.analytics import print_analytics, read_instant, rebuild
from server.cli.phrases import Explanation
from server.database_check import DatabaseUnavailableError
from server.demo.run import mail_folder, run_demo
from server.embedded.location import EmbeddedPostgresError
from server.logging_setup import set_up_logs
from server.replay.run import ReplayRequest, ReplayStoppedError
from server.replay.run import replay as run_replay
from server.secret_key import SecretKeyError
from server.serve import PortTakenError, serve
from server.services import database_urls, open_services, prepare
from server.settings import Settings, SettingsError, read_settings
from server.worker import work

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hands conversations from an AI agent to people and back.",
)
_TOLD = (
    SettingsError,
    SecretKeyError,
    EmbeddedPostgresError,
    DatabaseUnavailableError,
    PortTakenError,
    BatonError,
)


@contextmanager
def _told() -> Iterator[Settings]:
    """The settings, with the logs set up; what the user can mend is told in words, not as a traceback."""
    writer = set_up_logs("info")
    # As an exception, so that what is open is closed: an embedded PostgreSQL among others.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        settings = read_settings()
        set_up_logs(settings.log_level)
        yield settings
    except _TOLD as error:
        errors = Console(file=writer)  # type: ignore[arg-type]  # it has what the console calls
        errors.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


@app.command("serve")
def serve_command(
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave what happens later to `baton worker` processes.")
    ] = False,
) -> None:
    """Serve the API. Settings are environment variables: see docs/settings.md."""
    with _told() as settings:
        serve(settings, works=not no_worker)


@app.command()
def worker() -> None:
    """Do what happens later, such as clocks that run out; `serve` has a worker inside unless told not to."""
    with _told() as settings:
        work(settings)


@app.command()
def demo() -> None:
    """Serve a sample workspace with simulated customers, and print where to look and how to sign in."""
    with _told() as settings:
        serve(settings, beside=run_demo, mail_folder=mail_folder(settings))


@app.command()
def migrate() -> None:
    """Bring the database up to this version; `serve` does so itself."""
    with _told() as settings, database_urls(settings) as urls:
        asyncio.run(prepare(urls))


@app.command()
def schema(
    permissions: Annotated[
        bool, typer.Option("--permissions", help="Print who may use each root field, as Markdown.")
    ] = False,
) -> None:
    """Print the GraphQL schema."""
    sys.stdout.write(printed_permissions() if permissions else printed_schema())


@app.command()
def init(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    name: Annotated[str, typer.Option(help="The workspace's name.")] = "My workspace",
    agent: Annotated[str, typer.Option(help="The AI agent's name.")] = "My AI agent",
    email: Annotated[str, typer.Option(help="The admin's email.")] = "admin@example.com",
    password: Annotated[str | None, typer.Option(help="The admin's password; made up when left out.")] = None,
) -> None:
    """Make a workspace with an AI agent, an admin and an API key, and print them: the key this once."""
    with _told() as settings, database_urls(settings) as urls:
        secret = password or secrets.token_hex(8)
        new = NewWorkspace(name, agent, NewMember(email, "Admin", MemberRole.ADMIN, secret))

        async def make() -> MadeWorkspace:
            await prepare(urls)
            async with open_services(settings, urls.service, live=False) as services:
                return await make_workspace(services, new)

        made = asyncio.run(make())
    _print(made, secret, as_json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recorded conversations as JSON Lines: see docs/replay.md.")],
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="JSON with the settings to try, as the API takes them.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The AI agent whose settings are tried: agt_…")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever was replayed before.")] = False,
) -> None:
    """Replay recorded conversations in a scratch workspace, and print what would have been escalated."""
    with _told() as settings:
        try:
            report = run_replay(settings, ReplayRequest(file, settings_file, agent, fresh))
        except ReplayStoppedError as stopped:
            typer.echo(str(stopped), err=True)
            raise typer.Exit(128 + stopped.number) from None
        report.print_json(sys.stdout) if as_json else report.print(sys.stdout)


analytics_app = typer.Typer(invoke_without_command=True, add_completion=False)
app.add_typer(analytics_app, name="analytics")


@analytics_app.callback()
def analytics(
    context: typer.Context,
    agent: Annotated[str | None, typer.Option(help="The AI agent: agt_…")] = None,
    start: Annotated[str | None, typer.Option("--from", help="A date or a time, such as 2026-01-01.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The end of the period, exclusively.")] = None,
    timezone: Annotated[str, typer.Option(help="IANA name of the zone of times without an offset.")] = "UTC",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the metrics of an AI agent over a period: see docs/analytics.md."""
    if context.invoked_subcommand:
        return
    if agent is None or start is None or end is None:
        raise typer.BadParameter("--agent, --from and --to are needed.")
    with _told() as settings:
        period = read_instant(start, timezone, "from"), read_instant(end, timezone, "to")
        print_analytics(settings, agent, *period, sys.stdout, as_json=as_json)


@analytics_app.command("rebuild")
def rebuild_command() -> None:
    """Compute the roll-ups of the analytics again from the rows; the service may run meanwhile."""
    with _told() as settings:
        typer.echo(f"{rebuild(settings):,} days are rebuilt.")


@app.command()
def phrases(
    text: Annotated[
        str | None, typer.Argument(help="What a customer says; standard input when left out.")
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Option("--extra", help="A phrase of the team's own; may be given again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether a customer's words are taken as asking for a person, and why."""
    explanation = Explanation.of(sys.stdin.read() if text is None else text, extra or [])
    explanation.print_json(sys.stdout) if as_json else explanation.print(sys.stdout)


def _print(made: MadeWorkspace, password: str, as_json: bool) -> None:
    found: dict[str, Any] = {
        "workspaceId": format_id(WORKSPACE, made.workspace_id),
        "agentId": format_id(AGENT, made.agent.id),
        "apiKey": made.api_key,
        "member": {"email": made.admin.email, "password": password},
    }
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(f"workspace  {found['workspaceId']}")
    typer.echo(f"AI agent   {found['agentId']}")
    typer.echo(f"API key    {made.api_key}   (shown this once)")
    typer.echo(f"sign in    {made.admin.email}   {password}")
