"""The words of rows that are older than the index of searches.

Triggers keep the index current. The migration that made them left the existing rows to this loop, which
every process with services runs: a migration of hours would hold up the start.
"""

import asyncio

import structlog
from sqlalchemy import text

from models.database import DATABASE_ERRORS, Database
from models.search_entry import SearchSource

BATCH = 500
REST = 1.0  # times the duration of a batch, for the writes of others
PAUSE_SECONDS = 5  # after an error, and while another process is filling

_logger = structlog.get_logger(__name__)

_ROWS = {
    SearchSource.MESSAGE: """
        SELECT m.id, m.conversation_id, c.workspace_id, m.content AS content
        FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.id < (SELECT before FROM step) ORDER BY m.id DESC LIMIT :batch FOR KEY SHARE OF m""",
    SearchSource.CUSTOMER: """
        SELECT c.id, c.id AS conversation_id, c.workspace_id,
            concat_ws(' ', c.customer_name, c.customer_email, c.customer_external_id) AS content
        FROM conversations c
        WHERE c.id < (SELECT before FROM step) ORDER BY c.id DESC LIMIT :batch FOR KEY SHARE OF c""",
    SearchSource.ESCALATION: """
        SELECT e.id, e.conversation_id, e.workspace_id, concat_ws(' ', e.reason, e.summary) AS content
        FROM escalations e
        WHERE e.id < (SELECT before FROM step) ORDER BY e.id DESC LIMIT :batch FOR KEY SHARE OF e""",
}

# The newest first. Rows are locked against deletion, whose trigger then finds the entry. An entry that exists
# is newer: its trigger has seen a change.
_STEP = """
WITH step AS MATERIALIZED (
    SELECT before FROM search_fills WHERE source = '{source}' FOR UPDATE SKIP LOCKED
), batch AS MATERIALIZED ({rows}
), written AS (
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT conversation_id, id, '{source}', search_vector(workspace_id, content) FROM batch
    ON CONFLICT (conversation_id, id) DO NOTHING
), last AS (
    SELECT id FROM batch ORDER BY id LIMIT 1
), moved AS (
    UPDATE search_fills SET before = last.id FROM last WHERE source = '{source}'
), finished AS (
    DELETE FROM search_fills
    WHERE source = '{source}' AND EXISTS (SELECT FROM step) AND NOT EXISTS (SELECT FROM last)
)
SELECT count(*) FROM batch
"""


def step_statement(source: SearchSource) -> str:
    """Return the statement that adds the words of one batch, `:batch` rows, and counts them.

    Without a step the border is null, and the index of the ids ends immediately.
    """
    return _STEP.format(source=source, rows=_ROWS[source])


async def fill_search_index(database: Database) -> None:
    """Add the words of all rows that have none; return when the index is complete."""
    while True:
        try:
            if await _fill(database):
                return
        except DATABASE_ERRORS as error:
            _logger.warning("search_index.interrupted", error=repr(error))
        await asyncio.sleep(PAUSE_SECONDS)


async def _fill(database: Database) -> bool:
    """Add what this process can; return whether nothing is left, also for other processes."""
    for source in SearchSource:
        added = 0
        while batch := await _add_batch(database, source):
            if not added:
                _logger.info("search_index.filling", source=source)
            added += batch
        if added:
            _logger.info("search_index.filled", source=source, rows=added)
    async with database.autocommit_session() as session:
        return not await session.scalar(text("SELECT EXISTS (SELECT FROM search_fills)"))


async def _add_batch(database: Database, source: SearchSource) -> int:
    """Add the words of one batch, rest, and return the number of rows."""
    statement = text(step_statement(source))
    began = asyncio.get_running_loop().time()
    async with database.autocommit_session() as session:
        rows: int = (await session.execute(statement, {"batch": BATCH})).scalar_one()
    await asyncio.sleep(REST * (asyncio.get_running_loop().time() - began))
    return rows
