"""The table of permissions, for people to read."""

from resolvers.permissions import FROM_ALLOWED_ORIGINS, PERMISSIONS, Permission
from schema.api import GRAPHQL_SCHEMA

_HEAD = """\
# Who may use what

Printed by `baton schema --permissions` from the table that the service itself goes by
(`resolvers/permissions.py`). An API key has the scopes that it was made with; a team member those of the
role: ADMIN every one, AGENT every one but SETTINGS_WRITE and ADMIN, VIEWER those that read. A row of another
workspace, or for a customer of another conversation, does not exist for the caller, whatever the scope.

| root field | takes | customers (widget token) |
|---|---|---|
"""


def printed_permissions() -> str:
    """Markdown: every root field, and REST's own, with its scope."""
    schema = GRAPHQL_SCHEMA
    kinds = (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    )
    rows = [
        _row(f"{kind} `{name}`", PERMISSIONS[name], name in FROM_ALLOWED_ORIGINS)
        for kind, type_ in kinds
        if type_
        for name in type_.fields
    ]
    rows += [_row(f"REST `{name}`", permission) for name, permission in PERMISSIONS.items() if "/" in name]
    return _HEAD + "\n".join(rows) + "\n"


def _row(name: str, permission: Permission | None, from_allowed_origins: bool = False) -> str:
    if permission is None:
        takes = "nothing but a page of an allowed origin" if from_allowed_origins else "nothing"
        return f"| {name} | {takes} | yes |"
    takes = permission.scope.value if permission.scope else "any API key or team member"
    if permission.members_only:
        takes = f"a signed-in team member{f' with {permission.scope}' if permission.scope else ''}"
    customers = "in their own conversation" if permission.customers else "no"
    if permission.expired_customers:
        customers += ", up to 30 days after the token's end"
    return f"| {name} | {takes} | {customers} |"
