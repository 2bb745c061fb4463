"""Searches and fingerprints of all tables of the database."""

from hashlib import sha256
from typing import Any

from tests.support.baton_client import Server

_TABLES = """SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE' ORDER BY 1"""
# The text of a row shows binary columns in hexadecimal digits.
_HOLDS = """SELECT '{0}' AS name FROM {0} t
    WHERE t::text ILIKE '%' || $1 || '%'
        OR t::text LIKE '%' || encode(convert_to($1, 'UTF8'), 'hex') || '%'"""
# When and from where a key or session was last presented: a call that is refused changes it as well.
WITHOUT_USE = "- 'last_used_at' - 'last_address' - 'address' - 'idle_ends_at'"
_CONTENT = f"SELECT '{{0}}' AS name, (to_jsonb(t) {WITHOUT_USE})::text AS row FROM {{0}} t"
# They follow the others some time later, or are the worker's own.
_PASSING = ("analytics_", "pgqueuer", "delivery_targets", "viewings")


def tables(server: Server) -> list[str]:
    """Return the names of all tables, pgqueuer's included."""
    return [row["name"] for row in server.rows(_TABLES)]


def tables_with(server: Server, words: str) -> set[str]:
    """Return the tables of which a row holds the words in any column, in upper or lower case."""
    query = " UNION ".join(_HOLDS.format(name) for name in tables(server))
    return {row["name"].removeprefix("public.") for row in server.rows(query, words)}


def fingerprint(server: Server, *without: str) -> str:
    """Return a hash of the rows of all tables that only callers change, but for those that begin so."""
    passing = (*_PASSING, *without)
    kept = [name for name in tables(server) if not name.removeprefix("public.").startswith(passing)]
    rows: list[dict[str, Any]] = server.rows(" UNION ALL ".join(map(_CONTENT.format, kept)))
    lines = sorted(f"{row['name']} {row['row']}" for row in rows)
    return sha256("\n".join(lines).encode()).hexdigest()
