"""The command `baton audit verify`."""

from typing import Annotated

import typer
from sqlalchemy import select

from models.audit_log import AuditEntry, AuditHead
from models.workspace import Workspace
from realtime.audit import ChainCheck, verify_chain
from resolvers.context import Services
from resolvers.errors import NotFoundError
from rules.typeid import WORKSPACE, format_id
from server.cli.operator import with_services, workspace_id_of
from server.cli.reporting import write_text

audit_app = typer.Typer(no_args_is_help=True, help="The audit log.")


@audit_app.callback()
def audit() -> None:
    """Work with the audit log."""


@audit_app.command("verify")
def verify(
    workspace: Annotated[
        str | None, typer.Option(help="The workspace: ws_…; all of them when left out.")
    ] = None,
) -> None:
    """Check the chain of the audit log, of one workspace or of all. Exit with 1 if one is broken."""
    chosen = workspace_id_of(workspace)

    async def check(services: Services) -> list[ChainCheck]:
        async with services.database.autocommit_session() as session:
            if chosen and await session.get(Workspace, chosen) is None:
                raise NotFoundError("workspace")
            both = select(AuditHead.workspace_id).union(select(AuditEntry.workspace_id))
            ids = [chosen] if chosen else sorted(await session.scalars(both))
        return [await verify_chain(services.database, workspace_id) for workspace_id in ids]

    checks = with_services(check)
    for result in checks:
        name = format_id(WORKSPACE, result.workspace_id)
        state = "whole" if result.broken_at is None else f"broken at position {result.broken_at}"
        write_text(f"{name}   {result.entries} entries   {state}\n")
    if any(result.broken_at is not None for result in checks):
        raise typer.Exit(1)
