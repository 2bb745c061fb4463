"""Retention.

The log and the bodies of deliveries are kept for 30 days, ended deliveries with their attempts for 90 days.
Idempotency keys, the log of finished jobs and failed attempts to sign in are kept for 24 hours. Sessions are
kept until they expire, the hashes of their tokens for another 30 days.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import text

from models.database import Database

LOG_KEPT = timedelta(days=30)
KEYS_KEPT = timedelta(hours=24)
JOBS_KEPT = timedelta(hours=24)
ATTEMPTS_KEPT = timedelta(hours=24)
ENDED_SESSIONS_KEPT = timedelta(days=30)
BODIES_KEPT = timedelta(days=30)
DELIVERIES_KEPT = timedelta(days=90)
EVERY_SECONDS = 3600
PAUSE_SECONDS = 0.02  # between batches, for the writes of others
_BATCH = 5_000

_logger = structlog.get_logger(__name__)

# Batches keep few rows locked; rows that another process is purging are skipped. The log is purged by time,
# from its beginning: a gap in a stream is rare, and its reader detects it.
_PURGES = (
    (
        "DELETE FROM log WHERE (stream, position) IN (SELECT stream, position FROM log "
        "WHERE occurred_at < now() - CAST(:kept AS interval) "
        "ORDER BY occurred_at, position LIMIT :batch FOR UPDATE SKIP LOCKED)",
        LOG_KEPT,
    ),
    (
        "DELETE FROM idempotency_keys WHERE (scope_id, operation, key) IN (SELECT scope_id, operation, key "
        "FROM idempotency_keys WHERE created_at < now() - CAST(:kept AS interval) LIMIT :batch "
        "FOR UPDATE SKIP LOCKED)",
        KEYS_KEPT,
    ),
    (
        "DELETE FROM member_sessions WHERE token_hash IN (SELECT token_hash FROM member_sessions "
        "WHERE least(expires_at, idle_ends_at) < now() - CAST(:kept AS interval) LIMIT :batch "
        "FOR UPDATE SKIP LOCKED)",
        timedelta(),
    ),
    (
        "DELETE FROM ended_sessions WHERE token_hash IN (SELECT token_hash FROM ended_sessions "
        "WHERE ended_at < now() - CAST(:kept AS interval) LIMIT :batch FOR UPDATE SKIP LOCKED)",
        ENDED_SESSIONS_KEPT,
    ),
    (
        "DELETE FROM sign_in_attempts WHERE key_hash IN (SELECT key_hash FROM sign_in_attempts "
        "WHERE last_at < now() - CAST(:kept AS interval) LIMIT :batch FOR UPDATE SKIP LOCKED)",
        ATTEMPTS_KEPT,
    ),
    (
        "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log "
        "WHERE created < now() - CAST(:kept AS interval) LIMIT :batch FOR UPDATE SKIP LOCKED)",
        JOBS_KEPT,
    ),
    (
        "UPDATE deliveries SET body = NULL WHERE id IN (SELECT id FROM deliveries WHERE status <> 'PENDING' "
        "AND body IS NOT NULL AND created_at < now() - CAST(:kept AS interval) LIMIT :batch "
        "FOR UPDATE SKIP LOCKED)",
        BODIES_KEPT,
    ),
    (
        "WITH old AS (SELECT id FROM deliveries WHERE status <> 'PENDING' "
        "AND created_at < now() - CAST(:kept AS interval) LIMIT :batch FOR UPDATE SKIP LOCKED), "
        "attempts AS (DELETE FROM delivery_attempts WHERE delivery_id IN (SELECT id FROM old)) "
        "DELETE FROM deliveries WHERE id IN (SELECT id FROM old)",
        DELIVERIES_KEPT,
    ),
)


async def purge_periodically(database: Database) -> None:
    """Purge immediately and then every hour, until cancelled."""
    while True:
        try:
            await purge(database)
        except Exception as error:
            _logger.warning("retention.failed", error=repr(error))
        await asyncio.sleep(EVERY_SECONDS)


async def purge(database: Database) -> None:
    """Delete the rows whose retention has ended."""
    async with database.autocommit_session() as session:
        for statement, kept in _PURGES:
            while True:
                deleted = await session.execute(text(statement), {"kept": kept, "batch": _BATCH})
                if deleted.rowcount < _BATCH:  # type: ignore[attr-defined]
                    break
                await asyncio.sleep(PAUSE_SECONDS)
