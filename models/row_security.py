"""Row-level security: the policies that keep the rows of workspaces apart, whatever a statement says.

They are a second wall after `resolvers.visibility`, against a statement that forgets its condition. The
policies read the setting `baton.workspace` of the connection (`models.row_scope`), once for each statement.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import asyncpg

from models.row_scope import connect_across

_OWN = """(SELECT CASE WHEN current_setting('baton.workspace', true) <> '*'
    THEN nullif(current_setting('baton.workspace', true), '')::uuid END)"""
# PostgreSQL expects CASE to hold for half of the rows, which leaves the plans of the statements as they are.
_UNLESS_ALL = "CASE WHEN (SELECT current_setting('baton.workspace', true) = '*') THEN true ELSE {} END"

_WITH_WORKSPACE: Final = (
    "agents",
    "api_keys",
    "audit_heads",
    "audit_log",
    "audit_refusals",
    "conversations",
    "deliveries",
    "delivery_targets",
    "digests",
    "escalations",
    "identity_secrets",
    "members",
    "pending_escalations",
    "planned_logs",
    "saved_replies",
    "slack_connections",
    "webhook_endpoints",
)
# The table that a row belongs to, by its column. The policy of that table holds in the look-up, too.
_BELOW: Final = {
    "analytics_changes": ("agents", "agent_id"),
    "analytics_days": ("agents", "agent_id"),
    "analytics_months": ("agents", "agent_id"),
    "delivery_attempts": ("deliveries", "delivery_id"),
    "digest_entries": ("digests", "digest_id"),
    "ended_sessions": ("members", "member_id"),
    "escalation_notes": ("escalations", "escalation_id"),
    "mailed_notices": ("agents", "agent_id"),
    "member_sessions": ("members", "member_id"),
    "messages": ("conversations", "conversation_id"),
    "timeline_entries": ("escalations", "escalation_id"),
    "tool_failures": ("conversations", "conversation_id"),
    "trigger_events": ("escalations", "escalation_id"),
    "viewings": ("conversations", "conversation_id"),
}
# The column is the id of a workspace or of a conversation.
_OF_EITHER: Final = {"idempotency_keys": "scope_id", "log": "stream", "streams": "id"}
# Written in the same statement as their escalation, which that statement cannot see.
_WITH_ESCALATION: Final = ("timeline_entries", "trigger_events")

# Tables without a policy, with the reason.
EXEMPT: Final = {
    "search_entries": "PostgreSQL reads the index of words only without a policy. Each word begins with part "
    "of the workspace's id, and what is found is read from conversations and escalations.",
    "search_fills": "It has three rows, which belong to no workspace.",
    "sign_in_attempts": "It has hashes and counts of callers who have not signed in to a workspace yet.",
}

# It sees every escalation, so NULL is one that does not exist yet. Only a superuser could give a function
# the scope by SET.
_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION workspace_of_escalation(escalation uuid) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
    scope text := current_setting('baton.workspace', true);
    workspace uuid;
BEGIN
    PERFORM set_config('baton.workspace', '*', true);
    workspace := (SELECT workspace_id FROM escalations WHERE id = escalation);
    PERFORM set_config('baton.workspace', scope, true);
    RETURN workspace;
END $$
"""
_DROP_FUNCTION: Final = "DROP FUNCTION IF EXISTS workspace_of_escalation(uuid)"
_TABLES = """
SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced,
    array(
        SELECT polname::text FROM pg_policy WHERE polrelid = pg_class.oid AND polname LIKE 'baton\\_%'
    ) AS policies
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY($1)
"""
_OWNERSHIP = """
SELECT pg_has_role($1::name, relowner, 'USAGE') FROM pg_class WHERE oid = 'public.workspaces'::regclass
"""
_ROLE = "SELECT rolname, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user"
_IN_USE_BY = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name IN ('baton', 'baton probe')
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('baton migrations'))"


class RowSecurityError(Exception):
    """A database whose row-level security does not fit the settings; the message says what to do."""


@dataclass(frozen=True, slots=True)
class _Policy:
    """The policy of a table: the rows that are shown, and those that may be written."""

    table: str
    shown: str
    written: str

    @property
    def name(self) -> str:
        """Its name, which changes with its text."""
        return f"baton_{sha256(f'{self.shown} {self.written} {_FUNCTION}'.encode()).hexdigest()[:12]}"

    @property
    def sql(self) -> str:
        return f"CREATE POLICY {self.name} ON {self.table} USING ({self.shown}) WITH CHECK ({self.written})"


def _policies() -> dict[str, _Policy]:
    conditions = {"workspaces": f"id = {_OWN}"}
    conditions |= dict.fromkeys(_WITH_WORKSPACE, f"workspace_id = {_OWN}")
    for table, (parent, column) in _BELOW.items():
        conditions[table] = f"EXISTS (SELECT FROM {parent} WHERE {parent}.id = {table}.{column})"
    for table, column in _OF_EITHER.items():
        conversation = f"EXISTS (SELECT FROM conversations WHERE conversations.id = {table}.{column})"
        conditions[table] = f"({table}.{column} = {_OWN} OR {conversation})"
    written = conditions | dict.fromkeys(
        _WITH_ESCALATION, f"coalesce(workspace_of_escalation(escalation_id), {_OWN}) = {_OWN}"
    )
    return {
        table: _Policy(table, _UNLESS_ALL.format(condition), _UNLESS_ALL.format(written[table]))
        for table, condition in conditions.items()
    }


_POLICIES: Final = _policies()
# The tables that have a policy.
PROTECTED: Final = frozenset(_POLICIES)


async def is_protected(url: str) -> bool:
    """Return whether row-level security is on in the database."""
    connection = await connect_across(url, timeout=10)
    try:
        return _is_on(await connection.fetch(_TABLES, list(PROTECTED)))
    finally:
        await connection.close()


async def row_security_fault(url: str, wanted: bool) -> str | None:
    """Return why the role of `url` cannot serve with row-level security as wanted, with advice, or None."""
    if await is_protected(url) != wanted:
        return _MISSING if wanted else _UNEXPECTED
    role, bypasses = await _role(url)
    return _BYPASSED.format(role) if wanted and bypasses else None


async def align_row_security(owner_url: str, service_url: str, wanted: bool, *, may_switch: bool) -> bool:
    """Bring the policies of a migrated database up to this version, as the owner of the tables.

    With `may_switch`, row-level security is turned on or off as wanted, unless a process is running; return
    whether it was. Otherwise a difference raises RowSecurityError.
    """
    role, bypasses = await _role(service_url)
    if wanted and bypasses:
        raise RowSecurityError(_BYPASSED.format(role))
    owner = await connect_across(owner_url, timeout=10)
    try:
        async with owner.transaction():
            await owner.execute(_LOCK)
            tables = await owner.fetch(_TABLES, list(PROTECTED))
            switched = _is_on(tables) != wanted
            if switched and not may_switch:
                raise RowSecurityError(_MISSING if wanted else _UNEXPECTED)
            if switched and (count := await owner.fetchval(_IN_USE_BY)):
                raise RowSecurityError(_IN_USE.format(count))
            # Policies hold for an owner only by force. Without it, the owner can dump the tables.
            forced = wanted and await owner.fetchval(_OWNERSHIP, role)
            if changes := [part for table in tables for part in _changes(table, wanted, forced)]:
                function = [_FUNCTION, *changes] if wanted else [*changes, _DROP_FUNCTION]
                await owner.execute("; ".join(["SET LOCAL lock_timeout = '10s'", *function]))
    finally:
        await owner.close()
    return switched


_MISSING = (
    "BATON_ROW_LEVEL_SECURITY is on, but row-level security is off in this database. Stop every process of "
    "Baton, run `baton migrate` with the setting, and start them again."
)
_UNEXPECTED = (
    "Row-level security is on in this database, so a process without BATON_ROW_LEVEL_SECURITY would see no "
    "row. Set it to true. Or stop every process of Baton and run `baton migrate` without it, which turns "
    "row-level security off."
)

_IN_USE = (
    "Row-level security stays as it is: {} connections of running processes would see no row, or trust a "
    "wall that is not there. Stop every process of Baton, and run `baton migrate` again."
)
_BYPASSED = (
    "BATON_ROW_LEVEL_SECURITY is on, but the role {} is a superuser or has BYPASSRLS, so no policy holds for "
    "it. Let BATON_DATABASE_URL name another role."
)


def _is_on(tables: list[asyncpg.Record]) -> bool:
    return any(table["enabled"] for table in tables)


async def _role(url: str) -> tuple[str, bool]:
    service = await asyncpg.connect(url, timeout=10)
    try:
        row = await service.fetchrow(_ROLE)
        assert row is not None  # the role of the connection
        return row["rolname"], row["bypasses"]
    finally:
        await service.close()


def _changes(table: asyncpg.Record, wanted: bool, forced: bool) -> list[str]:
    """Return the statements that give a table its policy and state."""
    name, policy = table["name"], _POLICIES[table["name"]]
    names = {policy.name} if wanted else set()
    if (table["enabled"], table["forced"], set(table["policies"])) == (wanted, forced, names):
        return []
    dropped = [f"DROP POLICY {old} ON {name}" for old in table["policies"]]
    enabled, force = ("ENABLE" if wanted else "DISABLE"), ("FORCE" if forced else "NO FORCE")
    states = f"ALTER TABLE {name} {enabled} ROW LEVEL SECURITY, {force} ROW LEVEL SECURITY"
    return [*dropped, *([policy.sql] if wanted else []), states]
