"""The command `baton`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from resolvers.api_key import LIFETIME
from resolvers.member import NewMember
from resolvers.workspace import MadeWorkspace, NewWorkspace, make_workspace
from rules.roles import MemberRole
from rules.typeid import AGENT, WORKSPACE, format_id
from schema.api import printed_schema
from schema.permissions import printed_permissions
from server.cli.analytics import print_analytics, read_instant, rebuild
from server.cli.audit import audit_app
from server.cli.operator import doctor, key_app, pg, reset_password, unlink_account
from server.cli.password_input import PasswordStdin, chosen_password
from server.cli.phrases import Explanation
from server.cli.reporting import command_settings, write_utf8
from server.cli.secret_key import secret_key_app
from server.cli.widget import WidgetLinesError, widget_lines
from server.demo.run import demo_file, mail_folder, run_demo
from server.demo.shop import shop_route
from server.logging_setup import set_up_logs
from server.replay.file import ConfidenceScale
from server.replay.run import ReplayRequest, ReplayStoppedError
from server.replay.run import replay as run_replay
from server.serve import serve
from server.services import database_urls, open_services, prepare
from server.version import VERSION
from server.worker import work

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Hands conversations from an AI agent to people and back.",
)
app.add_typer(key_app, name="key")
app.add_typer(secret_key_app, name="secret-key")
app.add_typer(audit_app, name="audit")
app.command("reset-password")(reset_password)
app.command("unlink-account")(unlink_account)
app.command("doctor")(doctor)
app.command("pg", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(pg)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"baton {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hand conversations from an AI agent to people and back."""


@app.command("serve")
def serve_command(
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave timers and deliveries to `baton worker` processes.")
    ] = False,
) -> None:
    """Serve the API. Settings are environment variables: see docs/settings.md."""
    with command_settings() as settings:
        serve(settings, with_worker=not no_worker)


@app.command()
def worker() -> None:
    """Run timers and deliveries. `serve` runs a worker itself unless given `--no-worker`."""
    with command_settings() as settings:
        work(settings)


@app.command()
def demo() -> None:
    """Serve a sample workspace with simulated customers, and print how to sign in."""
    with command_settings() as settings:
        if "log_level" not in settings.model_fields_set:
            # A line for each simulated call would soon hide how to sign in.
            set_up_logs("warning")
        shop = shop_route(demo_file(settings))
        own = settings.model_copy(
            update={"graphiql": True, "confirmed_domains": settings.confirmed_domains or "example.com"}
        )
        serve(own, run_demo, mail_folder=mail_folder(settings), routes=[shop])


@app.command()
def migrate() -> None:
    """Bring the database up to this version. `serve` does so itself.

    It also turns row-level security on or off, as BATON_ROW_LEVEL_SECURITY says.
    """
    with command_settings() as settings, database_urls(settings) as urls:
        typer.echo(asyncio.run(prepare(urls, switch_row_security=True)))


@app.command()
def schema(
    permissions: Annotated[
        bool, typer.Option("--permissions", help="Print the permissions of each root field, as Markdown.")
    ] = False,
) -> None:
    """Print the GraphQL schema."""
    write_utf8(printed_permissions() if permissions else printed_schema())


@app.command()
def widget(
    agent: Annotated[str | None, typer.Option(help="The AI agent: agt_…")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the script element that puts the widget on a page, with a hash to pin it by."""
    with command_settings() as settings:
        try:
            write_utf8(widget_lines(settings, agent, as_json=as_json))
        except WidgetLinesError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


@app.command()
def init(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    name: Annotated[str, typer.Option(help="The workspace's name.")] = "My workspace",
    agent: Annotated[str, typer.Option(help="The AI agent's name.")] = "My AI agent",
    email: Annotated[str, typer.Option(help="The admin's email.")] = "admin@example.com",
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a workspace with an AI agent, an admin and an API key, and print them with the key."""
    with command_settings() as settings, database_urls(settings) as urls:
        secret = chosen_password(read=password_stdin)
        new = NewWorkspace(name, agent, NewMember(email, "Admin", MemberRole.ADMIN, secret))

        async def make() -> MadeWorkspace:
            await prepare(urls)
            async with open_services(settings, urls.service, live=False) as opened:
                return await make_workspace(opened.services, new)

        made = asyncio.run(make())
    _print(made, secret, as_json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recorded conversations as JSON Lines: see docs/replay.md.")],
    settings_file: Annotated[
        Path | None, typer.Option("--settings", help="JSON with the settings to try, as the API takes them.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The AI agent whose settings are tried: agt_…")] = None,
    confidence_scale: Annotated[
        ConfidenceScale | None,
        typer.Option(help="The scale of the file: percent (0 to 100) or probability (0 to 1)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ignore earlier replays of this file.")] = False,
) -> None:
    """Replay recorded conversations in a scratch workspace, and print what would have been escalated."""
    with command_settings() as settings:
        try:
            report = run_replay(settings, ReplayRequest(file, settings_file, agent, fresh, confidence_scale))
        except ReplayStoppedError as stopped:
            typer.echo(str(stopped), err=True)
            raise typer.Exit(128 + stopped.number) from None
        write_utf8(report.as_json()) if as_json else report.print(sys.stdout)


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
    with command_settings() as settings:
        period = read_instant(start, timezone, "from"), read_instant(end, timezone, "to")
        print_analytics(settings, agent, *period, sys.stdout, as_json=as_json)


@analytics_app.command("rebuild")
def rebuild_command() -> None:
    """Compute the roll-ups of the analytics again from the rows; the service may run meanwhile."""
    with command_settings() as settings:
        typer.echo(f"Days rebuilt: {rebuild(settings):,}.")


@app.command()
def phrases(
    text: Annotated[
        str | None, typer.Argument(help="A message of a customer; standard input when left out.")
    ] = None,
    extra: Annotated[
        list[str] | None, typer.Option("--extra", help="A phrase of the team; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain whether a message asks for a person."""
    message = sys.stdin.buffer.read().decode(errors="replace") if text is None else text
    explanation = Explanation.of(message, extra or [])
    write_utf8(explanation.as_json()) if as_json else explanation.print(sys.stdout)


def _print(made: MadeWorkspace, password: str, as_json: bool) -> None:
    fields: dict[str, Any] = {
        "workspaceId": format_id(WORKSPACE, made.workspace_id),
        "agentId": format_id(AGENT, made.agent.id),
        "apiKey": made.api_key,
        "member": {"email": made.admin.email, "password": password},
    }
    if as_json:
        typer.echo(json.dumps(fields))
        return
    typer.echo(f"workspace  {fields['workspaceId']}")
    typer.echo(f"AI agent   {fields['agentId']}")
    typer.echo(f"API key    {made.api_key}   (shown this once; ends after {LIFETIME.days} days)")
    typer.echo(f"sign in    {made.admin.email}   {password}")
