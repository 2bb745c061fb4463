"""The data set of the analytics benchmark: two years of one workspace with three AI agents.

At full size it has 2,500,000 conversations, 10,000,000 messages and 2,000,000 escalations. The database makes
the rows itself, a few days at a time; keys and indexes are taken away meanwhile and made again in the end.
What only the benchmark does not look at, such as timelines, is left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rules.agent_settings import EscalationSettings

CONVERSATIONS = 2_500_000
FIRST_DAY, DAYS = datetime(2024, 7, 1, tzinfo=UTC), 731
DAYS_AT_ONCE = 7
TABLES = ("conversations", "messages", "escalations", "trigger_events", "pending_escalations")

_CONTENT = "'Where is my parcel?'"
_CHUNK = """
CREATE TEMP TABLE chunk ON COMMIT DROP AS
SELECT bench_id(at) AS id, agent, at,
    (ARRAY[2, 4, 4, 6])[1 + floor(random() * 4)::int] AS messages,
    random() < 0.6 AS escalated, random() < 0.35 AS twice, random() AS way, random() AS pace
FROM (
    SELECT ($1::uuid[])[1 + floor(random() * 3)::int] AS agent,
        $2::timestamptz + random() * $3::interval AS at
    FROM generate_series(1, $4)
) raw
"""
_CONVERSATIONS = """
INSERT INTO conversations (id, workspace_id, agent_id, ai_state, ai_epoch, messages, customer_messages,
    uncertain_replies, created_at)
SELECT id, $1, agent, 'ACTIVE', 1, messages, messages / 2, 0, at FROM chunk
"""
_MESSAGES = """
WITH said AS (
INSERT INTO messages (id, conversation_id, position, role, status, content, confidence, intents, created_at)
SELECT bench_id(said), id, position, CASE WHEN position % 2 = 1 THEN 'USER' ELSE 'ASSISTANT' END,
    'DELIVERED', {content},
    CASE WHEN position % 2 = 0 THEN round((100 * sqrt(random()))::numeric, 2)::float8 END, '{}', said
FROM (
    SELECT id, position, at + position * (5 + 60 * pace) * interval '1 second' AS said
    FROM chunk, generate_series(1, messages) AS position
) spoken RETURNING id, conversation_id, position, created_at
)
INSERT INTO pending_escalations (id, workspace_id, agent_id, conversation_id, message_id, confidence,
    requested_at, fires_at, outcome, ended_at)
SELECT bench_id(said.created_at), $1, agent, chunk.id, said.id, 20, said.created_at,
    said.created_at + interval '30 seconds',
    (ARRAY['AVERTED', 'FIRED', 'TAKEN_OVER'])[1 + floor(random() * 3)::int],
    said.created_at + interval '30 seconds'
FROM said JOIN chunk ON chunk.id = said.conversation_id WHERE said.position = 2 AND way < 0.2
"""
_ESCALATIONS = """
WITH raised AS (
INSERT INTO escalations (id, workspace_id, agent_id, conversation_id, status, priority, trigger, reason,
    confirmation, assignee_id, sla_policy, sla_target_minutes, sla_started_at, sla_at_risk_at, sla_due_at,
    sla_stopped_at, sla_status, created_at, first_responded_at, first_response_business_us, resolved_at,
    resolution_business_us, disposition, kept_ai_paused, timeline, version)
SELECT bench_id(raised), $1, agent, id,
    CASE WHEN resolved THEN 'RESOLVED' WHEN answered THEN 'IN_PROGRESS' ELSE 'OPEN' END,
    (ARRAY['LOW', 'MEDIUM', 'MEDIUM', 'HIGH', 'URGENT'])[1 + floor(pick * 5)::int], trigger,
    CASE trigger WHEN 'API' THEN 'rule ' || floor(pick * 40)::int WHEN 'PHRASE' THEN 'user_phrase'
        WHEN 'BUTTON' THEN 'user_button' ELSE lower(trigger) END,
    'A person will answer.', ($2::uuid[])[1 + floor(pick * 20)::int], $3::jsonb, 120, raised,
    raised + interval '96 minutes', raised + interval '2 hours',
    CASE WHEN answered THEN raised + response WHEN resolved THEN raised + resolution END,
    CASE WHEN answered AND response < interval '2 hours' THEN 'ON_TRACK'
        WHEN resolved AND NOT answered AND resolution < interval '2 hours' THEN 'ON_TRACK'
        ELSE 'BREACHED' END,
    raised, CASE WHEN answered THEN raised + response END,
    CASE WHEN answered THEN (extract(epoch FROM response) * 400000)::bigint END,
    CASE WHEN resolved THEN raised + resolution END,
    CASE WHEN resolved THEN (extract(epoch FROM resolution) * 400000)::bigint END,
    CASE WHEN resolved AND random() < 0.4 THEN (ARRAY['NEEDED', 'NEEDED', 'AI_COULD_HAVE_ANSWERED',
        'NO_LONGER_NEEDED', 'DUPLICATE'])[1 + floor(random() * 5)::int] END, false, 0, 1
FROM (
    SELECT id, agent, random() AS pick, at + (30 + part * 86400) * interval '1 second' AS raised,
        exp(random() * 5) * interval '1 minute' AS response,
        exp(3 + random() * 6) * interval '1 minute' AS resolution,
        part < 1 OR random() < 0.98 AS resolved, random() < 0.9 AS answered,
        (ARRAY['LOW_CONFIDENCE', 'LOW_CONFIDENCE', 'LOW_CONFIDENCE', 'PHRASE', 'PHRASE', 'BUTTON', 'TOPIC',
            'TOOL_FAILURE', 'API', 'API'])[1 + floor(random() * 10)::int] AS trigger
    FROM chunk, generate_series(0, CASE WHEN twice THEN 1 ELSE 0 END) AS part WHERE escalated
) one RETURNING id, trigger, reason, created_at
)
INSERT INTO trigger_events (id, escalation_id, trigger, reason, occurred_at, last_occurred_at, count)
SELECT bench_id(created_at), id, trigger, reason, created_at, created_at, 1 FROM raised
"""
# Ids that grow with time, as the service's own do: what belongs together lies together.
_ID = """
CREATE OR REPLACE FUNCTION bench_id(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid
    FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS r) random
$$
"""
_KEYS = """
SELECT conrelid::regclass::text AS "table", conname AS name, pg_get_constraintdef(oid) AS definition, contype
FROM pg_constraint
WHERE conrelid::regclass::text = ANY($1) AND contype IN ('p', 'u', 'f')
   OR confrelid::regclass::text = ANY($1)
ORDER BY contype = 'f'
"""
_INDEXES = """
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE tablename = ANY($1) AND indexname NOT IN (
    SELECT conname FROM pg_constraint WHERE contype IN ('p', 'u')
)
"""


async def load(
    owner_url: str, workspace_id: UUID, agents: list[UUID], scale: float, content: str = _CONTENT
) -> None:
    """Load the data set, scaled down, into an empty workspace; `agents` are three.

    `content` is the SQL expression of a message's content.
    """
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("SET max_parallel_maintenance_workers = 2")
        await connection.execute("SET maintenance_work_mem = '512MB'")
        await connection.execute(_ID)
        members = await _add_members(connection, workspace_id)
        for table in TABLES:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        keys = await connection.fetch(_KEYS, list(TABLES))
        indexes = await connection.fetch(_INDEXES, list(TABLES))
        with _bar() as progress:
            await _drop(connection, keys, indexes)
            task = progress.add_task("rows", total=DAYS)
            for day in range(0, DAYS, DAYS_AT_ONCE):
                days = min(DAYS_AT_ONCE, DAYS - day)
                await _load_days(connection, workspace_id, agents, members, day, days, scale, content)
                progress.advance(task, days)
            task = progress.add_task("keys and indexes", total=len(keys) + len(indexes))
            for statement in _restore(keys, indexes):
                await connection.execute(statement)
                progress.advance(task)
        for table in TABLES:
            await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        await connection.execute("DROP FUNCTION bench_id(timestamptz)")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


async def _add_members(connection: asyncpg.Connection, workspace_id: UUID) -> list[UUID]:
    rows = await connection.fetch(
        "INSERT INTO members (id, workspace_id, email, name, role, available, created_at) "
        "SELECT gen_random_uuid(), $1, 'member' || n || '@example.com', 'Member ' || n, 'AGENT', true, now() "
        "FROM generate_series(1, 20) AS n RETURNING id",
        workspace_id,
    )
    return [row["id"] for row in rows]


async def _load_days(
    connection: asyncpg.Connection,
    workspace_id: UUID,
    agents: list[UUID],
    members: list[UUID],
    day: int,
    days: int,
    scale: float,
    content: str,
) -> None:
    start, length = FIRST_DAY + timedelta(days=day), timedelta(days=days)
    policy = EscalationSettings().sla.model_dump_json()
    count = round(CONVERSATIONS * scale * days / DAYS)
    async with connection.transaction():
        await connection.execute(_CHUNK, agents, start, length, count)
        await connection.execute(_CONVERSATIONS, workspace_id)
        await connection.execute(_MESSAGES.replace("{content}", content), workspace_id)
        await connection.execute(_ESCALATIONS, workspace_id, members, policy)


async def _drop(
    connection: asyncpg.Connection, keys: list[asyncpg.Record], indexes: list[asyncpg.Record]
) -> None:
    for key in reversed(keys):
        await connection.execute(f"ALTER TABLE {key['table']} DROP CONSTRAINT {key['name']} CASCADE")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")


def _restore(keys: list[asyncpg.Record], indexes: list[asyncpg.Record]) -> Iterator[str]:
    for key in keys:
        yield f"ALTER TABLE {key['table']} ADD CONSTRAINT {key['name']} {key['definition']}"
    for index in indexes:
        yield index["definition"]


@contextmanager
def _bar() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        yield progress
