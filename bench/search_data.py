"""The data set of the search benchmark: that of analytics, with words in the messages, and deliveries.

At full size it has 1,250,000 conversations, 5,000,000 messages of about 25 words, 1,000,000 escalations and
300,000 deliveries. The frequency of words falls with their rank, as in a language: the first is in 86 % of
the messages, the second in 30 %, half of the 30,000 in fewer than 3 of 10,000.
"""

from uuid import UUID

import asyncpg

from bench.analytics_data import load
from bench.rounds import say

SHARE = 0.5  # of the data set of analytics
DELIVERIES = 300_000
WORDS = 30_000
_SYLLABLES = [consonant + vowel for consonant in "bcdfghjklmnprstv" for vowel in "aeiou"]
_SPREAD = 200_003  # a prime, so that no two ranks have the same word
_SPELLED = "".join(_SYLLABLES)

_CONTENT = f"""(
    SELECT string_agg({
    " || ".join(
        f"substr('{_SPELLED}', 1 + 2 * (spread / {len(_SYLLABLES) ** place} % {len(_SYLLABLES)})::int, 2)"
        for place in range(3)
    )
}, ' ')
    FROM (
        SELECT floor({WORDS} * power(random(), 4))::bigint * {_SPREAD} % {len(_SYLLABLES) ** 3} AS spread
        FROM generate_series(1, 25 + 0 * position)
    ) ranks
)"""
_ENTRIES = (
    "DROP INDEX search_entries_words_idx",
    """INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT m.conversation_id, m.id, 'MESSAGE', search_vector(c.workspace_id, m.content)
    FROM messages m JOIN conversations c ON c.id = m.conversation_id""",
    """INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT conversation_id, id, 'ESCALATION', search_vector(workspace_id, concat_ws(' ', reason, summary))
    FROM escalations""",
    "CREATE INDEX search_entries_words_idx ON search_entries USING gin (words) "
    "WITH (gin_pending_list_limit = 256)",
)
_STREAMS = """
INSERT INTO streams (id, head, head_at) SELECT id, 0, created_at FROM conversations WHERE workspace_id = $1
"""
_TARGET = """
INSERT INTO delivery_targets (id, workspace_id, agent_id, channel, key, failures)
VALUES (gen_random_uuid(), $1, $2, 'EMAIL', 'team@example.com', 0) RETURNING id
"""
_DELIVERIES = """
INSERT INTO deliveries (id, workspace_id, agent_id, target_id, channel, target, event_type,
    position, escalation_id, occurred_at, status, created_at, ended_at)
SELECT gen_random_uuid(), $1, agent_id, $2, 'EMAIL', 'team@example.com', 'escalation.created',
    row_number() OVER (), id, created_at, CASE WHEN random() < 0.01 THEN 'FAILED' ELSE 'DELIVERED' END,
    created_at, created_at
FROM escalations WHERE workspace_id = $1 LIMIT $3
"""


def word(rank: int) -> str:
    """Return the word of a rank, from 0: the higher, the rarer."""
    spread = rank * _SPREAD % len(_SYLLABLES) ** 3
    return "".join(_SYLLABLES[spread // len(_SYLLABLES) ** place % len(_SYLLABLES)] for place in range(3))


async def load_conversations(owner_url: str, workspace_id: UUID, agents: list[UUID], scale: float) -> None:
    """Load the data set, scaled down, into an empty workspace; `agents` are three."""
    await load(owner_url, workspace_id, agents, SHARE * scale, _CONTENT)
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute(_STREAMS, workspace_id)
        target = await connection.fetchval(_TARGET, workspace_id, agents[0])
        await connection.execute(_DELIVERIES, workspace_id, target, round(DELIVERIES * scale))
    finally:
        await connection.close()


async def fill_index(owner_url: str) -> None:
    """Write the words of all rows into the index, which is empty."""
    connection = await asyncpg.connect(owner_url)
    try:
        await connection.execute("SET max_parallel_maintenance_workers = 2")
        await connection.execute("SET maintenance_work_mem = '1GB'")
        for statement in (*_ENTRIES, "VACUUM ANALYZE"):
            say(statement.partition("\n")[0].strip())
            await connection.execute(statement)
    finally:
        await connection.close()
