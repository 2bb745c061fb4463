"""The same metrics by plain SQL, in PostgreSQL and in DuckDB, for comparison."""

import importlib
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

# Both databases understand these. What DuckDB has no time zones for is grouped by UTC.
_METRICS = {
    "conversations": """
        SELECT count(*), count(*) FILTER (WHERE escalations > 0), count(*) FILTER (WHERE active > 0)
        FROM (
            SELECT c.id, count(e.id) AS escalations,
                count(e.id) FILTER (WHERE e.status <> 'RESOLVED') AS active
            FROM conversations c LEFT JOIN escalations e ON e.conversation_id = c.id
            WHERE c.agent_id = '{agent}' AND c.created_at >= '{start}' AND c.created_at < '{end}'
            GROUP BY c.id
        ) counted""",
    "durations": """
        SELECT count(resolved_at), avg(extract(epoch FROM resolved_at - created_at)),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - created_at)),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - created_at)),
            percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - created_at)),
            avg(extract(epoch FROM first_responded_at - created_at)),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM first_responded_at - created_at)),
            percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM first_responded_at - created_at)),
            avg(resolution_business_us), avg(first_response_business_us)
        FROM escalations
        WHERE agent_id = '{agent}' AND created_at >= '{start}' AND created_at < '{end}'""",
    "groups": """
        SELECT trigger, reason, priority, assignee_id, disposition, count(*),
            count(*) FILTER (WHERE first_responded_at < sla_due_at)
        FROM escalations WHERE agent_id = '{agent}' AND created_at >= '{start}' AND created_at < '{end}'
        GROUP BY trigger, reason, priority, assignee_id, disposition""",
    "series": """
        SELECT date_trunc('day', created_at), count(*),
            percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - created_at))
        FROM escalations WHERE agent_id = '{agent}' AND created_at >= '{start}' AND created_at < '{end}'
        GROUP BY 1 ORDER BY 1""",
}
_TABLES = {
    "conversations": "id, agent_id, created_at",
    "escalations": "id, agent_id, conversation_id, status, trigger, reason, priority, assignee_id, "
    "disposition, created_at, first_responded_at, resolved_at, sla_due_at, first_response_business_us, "
    "resolution_business_us",
}
_ROUNDS = 3


def _statements(agent_id: UUID, start: str, end: str) -> list[str]:
    return [text.format(agent=agent_id, start=start, end=end) for text in _METRICS.values()]


async def plain_sql(url: str, agent_id: UUID, start: str, end: str) -> float:
    """Return the median seconds of all statements together in PostgreSQL."""
    connection = await asyncpg.connect(url)
    try:
        taken = []
        for _ in range(_ROUNDS):
            began = perf_counter()
            for statement in _statements(agent_id, start, end):
                await connection.fetch(statement)
            taken.append(perf_counter() - began)
        return median(taken)
    finally:
        await connection.close()


async def duckdb_sql(url: str, agent_id: UUID, start: str, end: str) -> float | None:
    """Return the median seconds of the same in DuckDB, in memory; None when it is not installed."""
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ImportError:
        return None
    memory = duckdb.connect()
    memory.execute("SET threads = 2")
    connection = await asyncpg.connect(url)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for table, columns in _TABLES.items():
                file = Path(folder) / f"{table}.csv"
                query = f"SELECT {columns} FROM {table}"
                await connection.copy_from_query(query, output=file, format="csv", header=True)
                memory.execute(f"CREATE TABLE {table} AS FROM read_csv('{file}', sample_size = -1)")
    finally:
        await connection.close()
    taken = []
    for _ in range(_ROUNDS):
        began = perf_counter()
        for statement in _statements(agent_id, start, end):
            memory.execute(statement).fetchall()
        taken.append(perf_counter() - began)
    return median(taken)
