"""A workspace with full pages: 100 conversations of 100 messages, each with an escalation and its history."""

from attack.stage import connected
from attack.world import World
from rules.typeid import CONVERSATION, parse_id

ROWS = 100
_RECORD = "mutation($i: RecordMessageInput!) { recordMessage(input: $i) { message { id } } }"
_ESCALATE = """mutation($i: EscalateConversationInput!) {
    escalateConversation(input: $i) { escalation { id } } }"""
_UPDATE = "mutation($i: UpdateEscalationInput!) { updateEscalation(input: $i) { escalation { id } } }"
# Generated columns cannot be inserted.
_COPY = """DO $do$ DECLARE names text; BEGIN
    SELECT string_agg(quote_ident(attname), ', ') INTO names FROM pg_attribute
        WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
    EXECUTE format($sql$INSERT INTO {table} (%1$s) SELECT %1$s FROM
        (SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(r) || {changes})).*
            FROM (SELECT * FROM {table} {template} LIMIT 1) AS r, {source}) AS x
        ON CONFLICT DO NOTHING$sql$, names); END $do$"""


async def fill(world: World) -> None:
    """Copy one conversation with its rows until every page is full."""
    given = {"conversationId": world.conversation, "role": "USER", "content": "word " * 40}
    await world.ask(_RECORD, token=world.key, i=given)
    raised = await world.ask(
        _ESCALATE, token=world.key, i={"conversationId": world.conversation, "reason": "a reason"}
    )
    escalation = raised["escalateConversation"]["escalation"]["id"]
    await world.ask(_UPDATE, token=world.key, i={"escalationId": escalation, "note": "A note. " * 10})
    world.ids["escalation"] = escalation
    await _copy(world)


async def _copy(world: World) -> None:
    # The neighbour has a conversation, too.
    own = f"WHERE id = '{parse_id(CONVERSATION, world.conversation)}'"
    many = f"generate_series(1, {ROWS - 1}) AS n"
    of_all = f"conversations AS c, generate_series(1, {ROWS}) AS n"
    of_escalations = f"escalations AS e, generate_series(1, {ROWS}) AS n"
    new = "'id', gen_random_uuid()"
    at = "now() - make_interval(secs => n)"
    statements = [
        _made("conversations", f"jsonb_build_object({new}, 'created_at', {at})", many, own),
        _made("streams", "jsonb_build_object('id', c.id)", "conversations AS c"),
        _made(
            "messages",
            f"jsonb_build_object({new}, 'conversation_id', c.id, 'position', n + 1000, 'created_at', {at})",
            of_all,
        ),
        _made(
            "escalations",
            f"jsonb_build_object({new}, 'conversation_id', c.id)",
            "conversations AS c WHERE c.id NOT IN (SELECT conversation_id FROM escalations)",
        ),
        _made(
            "escalation_notes",
            f"jsonb_build_object({new}, 'escalation_id', e.id, 'created_at', {at})",
            of_escalations,
        ),
        _made(
            "trigger_events",
            f"jsonb_build_object({new}, 'escalation_id', e.id, 'occurred_at', {at})",
            of_escalations,
        ),
        _made(
            "timeline_entries",
            f"jsonb_build_object({new}, 'escalation_id', e.id, 'position', n + 1000)",
            of_escalations,
        ),
        "ANALYZE",
    ]
    async with connected(world.database_url) as database:
        for statement in statements:
            await database.execute(statement)


def _made(table: str, changes: str, source: str, template: str = "") -> str:
    return _COPY.format(table=table, changes=changes, source=source, template=template)
