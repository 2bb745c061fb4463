"""Letting the service's own role use tables that belong to another."""

import asyncpg

# Tables and sequences that others have put into the schema belong to their owners.
_OWN = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = ANY($1::"char"[])
    AND relowner = (SELECT relowner FROM pg_class WHERE oid = 'public.workspaces'::regclass)
"""


async def grant_service(owner_url: str, service_url: str) -> None:
    """Grant the role of `service_url` reading and writing rows, as the owner of the tables."""
    service = await asyncpg.connect(service_url, timeout=10)
    try:
        role = await service.fetchval("SELECT quote_ident(current_user)")
    finally:
        await service.close()
    owner = await asyncpg.connect(owner_url, timeout=10)
    try:
        tables = await owner.fetchval(_OWN, [b"r", b"p"])
        sequences = await owner.fetchval(_OWN, [b"S"])
        await owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}")
        await owner.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM {role}")
        await owner.execute(f"GRANT USAGE, SELECT ON SEQUENCE {sequences} TO {role}")
    finally:
        await owner.close()
