"""The commands of the operator: `reset-password`, `unlink-account`, `key create`, `doctor` and `pg`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar
from uuid import UUID

import orjson
import typer

from resolvers import operator
from resolvers.api_key import LIFETIME
from resolvers.context import Services
from resolvers.errors import BadInputError
from rules.roles import EVERY_SCOPE, Scope
from rules.typeid import WORKSPACE, MalformedIdError, format_id, parse_id
from server.cli.database_programs import run_program
from server.cli.doctor import Finding, Verdict, examine
from server.cli.password_input import PasswordStdin, chosen_password
from server.cli.reporting import command_settings, write_text, write_utf8
from server.services import database_urls, open_services, prepare

T = TypeVar("T")

key_app = typer.Typer(no_args_is_help=True, help="API keys.")

WorkspaceOption = Annotated[
    str | None, typer.Option("--workspace", help="The workspace: ws_…; needed if there are several.")
]


def reset_password(
    email: Annotated[str, typer.Argument(help="The email of a team member.")],
    workspace: WorkspaceOption = None,
    password_stdin: PasswordStdin = False,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Remove the second factor too, if it is lost.")
    ] = False,
) -> None:
    """Set a team member's password, end the member's sessions, and print the password."""
    secret = chosen_password(read=password_stdin)
    reset = with_services(
        lambda services: operator.reset_password(
            services, email, secret, workspace_id_of(workspace), second_factor=second_factor
        )
    )
    workspace_id = format_id(WORKSPACE, reset.workspace_id)
    write_text(f"workspace  {workspace_id}   {reset.workspace_name}\n")
    write_text(f"sign in    {reset.email}   {secret}\n")


def unlink_account(
    email: Annotated[str, typer.Argument(help="The email of a team member.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Unlink a team member from the account at the OpenID provider, and end the member's sessions."""
    row = with_services(lambda services: operator.unlink_account(services, email, workspace_id_of(workspace)))
    write_text(f"workspace  {format_id(WORKSPACE, row.id)}   {row.name}\n")
    write_text(f"unlinked   {email}: the next account with this verified email is bound\n")


@key_app.command("create")
def create_key(
    workspace: WorkspaceOption = None,
    name: Annotated[str, typer.Option(help="The name of the key.")] = "Made by baton key create",
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="A scope; may be given several times. The default is every scope."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Create an API key, and print it."""
    row, key = with_services(
        lambda services: operator.create_key(
            services, name, scope or sorted(EVERY_SCOPE), workspace_id_of(workspace)
        )
    )
    workspace_id = format_id(WORKSPACE, row.workspace_id)
    if as_json:
        fields = {"workspaceId": workspace_id, "apiKey": key, "scopes": row.scopes}
        write_utf8(orjson.dumps(fields).decode() + "\n")
        return
    write_text(f"workspace  {workspace_id}\n")
    write_text(f"API key    {key}   (shown this once; ends after {LIFETIME.days} days)\n")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check settings, database, pub/sub, mail and clock, and print advice. Exit with 1 if a check fails."""
    with command_settings() as settings, database_urls(settings) as urls:

        async def run() -> list[Finding]:
            findings = []
            async for finding in examine(settings, urls):
                findings.append(finding)
                if not as_json:
                    _print(finding)
            return findings

        findings = asyncio.run(run())
    if as_json:
        write_utf8(orjson.dumps([finding.as_json() for finding in findings]).decode() + "\n")
    if any(finding.verdict is Verdict.FAILED for finding in findings):
        raise typer.Exit(1)


def pg(
    context: typer.Context,
    program: Annotated[str, typer.Argument(help="The program: psql, pg_dump, pg_restore …")],
) -> None:
    """Run a program of PostgreSQL on Baton's database, as the owner of the tables: see docs/operations.md."""
    with command_settings() as settings, database_urls(settings) as urls:
        code = run_program(urls, program, context.args)
    raise typer.Exit(code)


def _print(finding: Finding) -> None:
    write_text(f"{finding.verdict:<8} {finding.check:<11} {finding.detail}\n")
    if finding.advice:
        write_text(f"{'':<20} {finding.advice}\n")


def with_services(command: Callable[[Services], Awaitable[T]]) -> T:
    """Run a command with the services of this installation."""
    with command_settings() as settings, database_urls(settings) as urls:

        async def run() -> T:
            await prepare(urls)
            async with open_services(settings, urls.service, live=False) as opened:
                return await command(opened.services)

        return asyncio.run(run())


def workspace_id_of(text: str | None) -> UUID | None:
    """Return the key of a workspace's id, or None; raises BadInputError."""
    try:
        return parse_id(WORKSPACE, text) if text else None
    except MalformedIdError as error:
        raise BadInputError("workspace", str(error)) from None
