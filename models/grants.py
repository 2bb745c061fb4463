"""Letting the service's own role use tables that belong to another."""

import asyncpg


async def grant_service(owner_url: str, service_url: str) -> None:
    """Grant the role of `service_url` reading and writing rows, as the owner of the tables."""
    service = await asyncpg.connect(service_url, timeout=10)
    try:
        role = await service.fetchval("SELECT quote_ident(current_user)")
    finally:
        await service.close()
    owner = await asyncpg.connect(owner_url, timeout=10)
    try:
        await owner.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
        await owner.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM {role}")
        await owner.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
    finally:
        await owner.close()
