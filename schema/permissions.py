"""The tables of permissions, for people to read."""

from collections.abc import Mapping

from resolvers.errors import camel
from resolvers.field_scopes import FIELD_SCOPES, FIELD_SCOPES_WITHIN, FILTER_SCOPES, OTHERS, Scopes
from resolvers.permissions import FROM_ALLOWED_ORIGINS, PERMISSIONS, Permission, permission_of
from schema.api import GRAPHQL_SCHEMA

_HEAD = """\
# Who may use what

Printed by `baton schema --permissions` from the table that the service itself uses
(`resolvers/permissions.py`). An API key has the scopes that it was made with; a team member those of the
role: ADMIN every one, AGENT every one but SETTINGS_WRITE and ADMIN, VIEWER those that read. A row of another
workspace, or for a customer of another conversation, does not exist for the caller, whatever the scope.

| root field | takes | customers (widget token) |
|---|---|---|
"""

_FIELDS = """
## Fields

A key reads a field of an object only with one of these scopes, however it reached the object: at the root, in
another object, by `node`, in the payload of a mutation or in an event. Team members have the scopes of their
role. What customers do not see is in the descriptions of the fields. The table is in
`resolvers/field_scopes.py`. REST holds to it, too: without ESCALATIONS_READ the answers are shorter.

A hidden field is null, with an error FORBIDDEN at its path. If it cannot be null, the nearest object around
it that can be is null, as in all of GraphQL. A mutation whose payload would become null like this does not
run: it is FORBIDDEN, and nothing has changed. `__typename` is never hidden.

| type | fields | require one of |
|---|---|---|
"""
_WITHIN = """
Objects directly within these show more: what the caller wrote itself, or needs for its work.

| in | of type | fields | also with |
|---|---|---|---|
"""
_FILTERS = """
A filter finds rows by what is in them, so these require a scope as well. Without it the list is FORBIDDEN.

| filter | fields | require one of |
|---|---|---|
"""


def printed_permissions() -> str:
    """Return Markdown: every root field and REST's own with its scope, and the scopes of fields."""
    schema = GRAPHQL_SCHEMA
    kinds = (
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    )
    rows = [
        _row(f"{kind} `{name}`", permission_of(name), name in FROM_ALLOWED_ORIGINS)
        for kind, type_ in kinds
        if type_
        for name in type_.fields
    ]
    rows += [_row(f"REST `{name}`", permission) for name, permission in PERMISSIONS.items() if "/" in name]
    fields = _FIELDS + _printed_fields() + _WITHIN + _printed_within() + _FILTERS + _printed_filters()
    return _HEAD + "\n".join(rows) + "\n" + fields


def _printed_fields() -> str:
    return "".join(
        f"| `{type_name}` | {_spell_fields(names)} | {_spell_scopes(scopes)} |\n"
        for type_name, fields in FIELD_SCOPES.items()
        for scopes, names in _by_scopes(fields).items()
        if scopes is not None or len(fields) > 1
    )


def _printed_within() -> str:
    return "".join(
        f"| `{holder}` | `{type_name}` | {_spell_fields(names)} | {_spell_scopes(scopes)} |\n"
        for (holder, type_name), fields in FIELD_SCOPES_WITHIN.items()
        for scopes, names in _by_scopes(fields).items()
    )


def _printed_filters() -> str:
    return "".join(
        f"| `{name}` | {_spell_fields(list(map(camel, names)))} | {_spell_scopes(scopes)} |\n"
        for name, fields in FILTER_SCOPES.items()
        for scopes, names in _by_scopes(fields).items()
    )


def _by_scopes(fields: Mapping[str, Scopes]) -> dict[Scopes, list[str]]:
    grouped: dict[Scopes, list[str]] = {}
    for name, scopes in fields.items():
        grouped.setdefault(scopes, []).append(name)
    return grouped


def _spell_fields(names: list[str]) -> str:
    if names == [OTHERS]:
        return "all others"
    return ", ".join("all others" if name == OTHERS else f"`{name}`" for name in names)


def _spell_scopes(scopes: Scopes) -> str:
    return "any" if scopes is None else ", ".join(sorted(scopes))


def _row(name: str, permission: Permission | None, from_allowed_origins: bool = False) -> str:
    if permission is None:
        takes = "nothing but a page of an allowed origin" if from_allowed_origins else "nothing"
        return f"| {name} | {takes} | yes |"
    takes = permission.scope.value if permission.scope else "any API key or team member"
    if not permission.members:
        takes = f"an API key with {permission.scope}"
    if permission.members_only:
        takes = f"a signed-in team member{f' with {permission.scope}' if permission.scope else ''}"
    customers = "in their own conversation" if permission.customers else "no"
    if permission.expired_customers:
        customers += ", up to 30 days after the token's end"
    return f"| {name} | {takes} | {customers} |"
