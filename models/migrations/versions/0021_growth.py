"""Growth: cheaper erasure, and indexes for lists by what few rows have.

Erased words leave the index of searches by a deletion, which costs less than an entry of other words. While existing rows are being added to the index, an entry may be written that this transaction cannot see
yet. Only then the triggers write an entry with the new words, which waits for the other.
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_DELETE = """IF TG_OP = 'UPDATE' AND {erased} AND NOT EXISTS (SELECT FROM search_fills) THEN
        DELETE FROM search_entries WHERE conversation_id = {conversation} AND id = NEW.id;
        RETURN NULL;
    END IF;"""
_ERASED_CUSTOMER = "coalesce(NEW.customer_name, NEW.customer_email, NEW.customer_external_id) IS NULL"
_ERASED_ESCALATION = "NEW.reason = 'erased' AND NEW.summary IS NULL"
_STATEMENTS = (
    # For all erased messages of a statement together. PostgreSQL allows no list of columns with the rows.
    """
CREATE FUNCTION forget_erased_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM search_fills) THEN
        INSERT INTO search_entries (conversation_id, id, source, words)
        SELECT conversation_id, id, 'MESSAGE', '' FROM changed WHERE content = '[erased]'
        ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    ELSE
        DELETE FROM search_entries USING changed
        WHERE changed.content = '[erased]' AND search_entries.conversation_id = changed.conversation_id
            AND search_entries.id = changed.id;
    END IF;
    RETURN NULL;
END $$
""",
    "CREATE TRIGGER messages_search_erased AFTER UPDATE ON messages REFERENCING NEW TABLE AS changed "
    "FOR EACH STATEMENT EXECUTE FUNCTION forget_erased_messages()",
    "DROP TRIGGER messages_search ON messages",
    "CREATE TRIGGER messages_search AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION index_message()",
    "CREATE TRIGGER messages_search_again AFTER UPDATE OF content ON messages "
    "FOR EACH ROW WHEN (NEW.content <> '[erased]') EXECUTE FUNCTION index_message()",
    f"""
CREATE OR REPLACE FUNCTION index_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_DELETE.format(erased=_ERASED_CUSTOMER, conversation="NEW.id")}
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT NEW.id, NEW.id, 'CUSTOMER', search_vector(
        NEW.workspace_id, concat_ws(' ', NEW.customer_name, NEW.customer_email, NEW.customer_external_id)
    )
    ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$
""",
    f"""
CREATE OR REPLACE FUNCTION index_escalation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.reason = OLD.reason AND NEW.summary IS NOT DISTINCT FROM OLD.summary THEN
        RETURN NULL;
    END IF;
    {_DELETE.format(erased=_ERASED_ESCALATION, conversation="NEW.conversation_id")}
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT NEW.conversation_id, NEW.id, 'ESCALATION',
        search_vector(NEW.workspace_id, concat_ws(' ', NEW.reason, NEW.summary))
    ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$
""",
)

_NEWEST = "created_at DESC, id DESC"
# Names, tables, columns and conditions.
_INDEXES = (
    ("conversations_paused_idx", "conversations", _NEWEST, "ai_state = 'PAUSED'"),
    ("conversations_awaiting_idx", "conversations", _NEWEST, "awaiting_answer"),
    ("escalations_assignee_idx", "escalations", "assignee_id, created_at, id", ""),
    ("escalations_trigger_idx", "escalations", "trigger, created_at, id", ""),
    ("escalations_disposition_idx", "escalations", "disposition, created_at, id", "disposition IS NOT NULL"),
    ("escalations_unanswered_idx", "escalations", "created_at, id", "first_responded_at IS NULL"),
    ("deliveries_channel_idx", "deliveries", "channel, created_at, id", ""),
    (
        "deliveries_undelivered_idx",
        "deliveries",
        "status, created_at, id",
        "status IN ('FAILED', 'DROPPED')",
    ),
)


def upgrade() -> None:
    for name, table, columns, condition in _INDEXES:
        where = f" WHERE {condition}" if condition else ""
        op.execute(f"CREATE INDEX {name} ON {table} (workspace_id, {columns}){where}")
    for statement in _STATEMENTS:
        op.get_bind().exec_driver_sql(statement)
