"""The index of searches: the words of messages, customers and escalations, written by triggers.

The migration locks the three tables for an instant only. It leaves the words of existing rows to
`realtime.search_index`, which any serving process or worker runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# Characters between words: control characters, spaces, and punctuation of ASCII, Latin 1 and Unicode's blocks.
_GAPS = r"\x01-/:-@[-`{-\u00bf\u00d7\u00f7\u2000-\u209f\u2e00-\u3004\u3008-\u303f\ufe00-\ufe6f\uff00-\uff0f"
# Signs of scripts without spaces between words (Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese, Yi),
# symbols such as currencies, and all of the planes above the first: rare Chinese signs and emoji.
_SIGNS = (
    r"\u0e00-\u109f\u1780-\u17ff\u20a0-\u2bff\u3005-\u3007\u3040-\ua4cf\uf900-\ufaff\U00010000-\U0010ffff"
)

# The words of a text in lower case, a space between two. Signs make words in pairs, each with its next, from
# the first sign of a run and from the second; so the last sign is a word of its own, too. Words end after 40
# characters in texts that could hold one of more than 2,046 bytes, which PostgreSQL refuses.
_TEXT = rf"""
CREATE FUNCTION search_text(content text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded text := lower(content);
    signs text;
BEGIN
    IF octet_length(content) <> char_length(content) THEN
        folded := lower(normalize(content, NFKC));
        IF folded ~ '[{_SIGNS}]' THEN
            signs := regexp_replace(folded, '[^{_SIGNS}]+', ' ', 'g');
            folded := regexp_replace(folded, '[{_SIGNS}]+', ' ', 'g')
                || ' ' || regexp_replace(signs, '([^ ]{{2}})', '\1 ', 'g') || ' '
                || regexp_replace(regexp_replace(signs, '(^| )[^ ]', ' ', 'g'), '([^ ]{{2}})', '\1 ', 'g');
        END IF;
    END IF;
    folded := btrim(regexp_replace(folded, '[{_GAPS}]+', ' ', 'g'));
    IF octet_length(folded) > 1800 THEN
        folded := regexp_replace(folded, '([^ ]{{40}})[^ ]+', '\1', 'g');
    END IF;
    RETURN folded;
END $$
"""
# Every word of the index begins with part of the workspace's id, so that a search reads those of its own
# workspace only. Two workspaces with the same part slow each other down, no more.
_VECTOR = """
CREATE FUNCTION search_vector(workspace uuid, content text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    own text := right(workspace::text, 6);
BEGIN
    RETURN array_to_tsvector(string_to_array(own || replace(search_text(content), ' ', ' ' || own), ' '));
END $$
"""
# The tsquery of a search as text, NULL without a word. Each word is the beginning of one in the index.
_QUERY = r"""
CREATE FUNCTION search_query(workspace uuid, content text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    own text := right(workspace::text, 6);
    words text := regexp_replace(search_text(content), '([^ ]{40})[^ ]+', '\1', 'g');
BEGIN
    RETURN '''' || own || replace(nullif(words, ''), ' ', ''':* & ''' || own) || ''':*';
END $$
"""
_INDEX_MESSAGE = """
CREATE FUNCTION index_message() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT NEW.conversation_id, NEW.id, 'MESSAGE', search_vector(workspace_id, NEW.content)
    FROM conversations WHERE id = NEW.conversation_id
    ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$
"""
_INDEX_CUSTOMER = """
CREATE FUNCTION index_customer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT NEW.id, NEW.id, 'CUSTOMER', search_vector(
        NEW.workspace_id, concat_ws(' ', NEW.customer_name, NEW.customer_email, NEW.customer_external_id)
    )
    ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$
"""
_INDEX_ESCALATION = """
CREATE FUNCTION index_escalation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO search_entries (conversation_id, id, source, words)
    SELECT NEW.conversation_id, NEW.id, 'ESCALATION',
        search_vector(NEW.workspace_id, concat_ws(' ', NEW.reason, NEW.summary))
    ON CONFLICT (conversation_id, id) DO UPDATE SET words = excluded.words;
    RETURN NULL;
END $$
"""
# A conversation is deleted after its messages and escalations.
_FORGET = """
CREATE FUNCTION forget_search_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'conversations' THEN
        DELETE FROM search_entries USING deleted
        WHERE search_entries.conversation_id = deleted.id AND search_entries.id = deleted.id;
    ELSE
        DELETE FROM search_entries USING deleted
        WHERE search_entries.conversation_id = deleted.conversation_id AND search_entries.id = deleted.id;
    END IF;
    RETURN NULL;
END $$
"""
_NAMED = "coalesce(NEW.customer_name, NEW.customer_email, NEW.customer_external_id) IS NOT NULL"
_TRIGGERS = (
    "CREATE TRIGGER messages_search AFTER INSERT OR UPDATE OF content ON messages "
    "FOR EACH ROW EXECUTE FUNCTION index_message()",
    "CREATE TRIGGER conversations_search AFTER INSERT ON conversations "
    f"FOR EACH ROW WHEN ({_NAMED}) EXECUTE FUNCTION index_customer()",
    "CREATE TRIGGER conversations_search_again "
    "AFTER UPDATE OF customer_name, customer_email, customer_external_id ON conversations "
    "FOR EACH ROW EXECUTE FUNCTION index_customer()",
    "CREATE TRIGGER escalations_search AFTER INSERT OR UPDATE OF reason, summary ON escalations "
    "FOR EACH ROW EXECUTE FUNCTION index_escalation()",
    *(
        f"CREATE TRIGGER {table}_search_gone AFTER DELETE ON {table} REFERENCING OLD TABLE AS deleted "
        "FOR EACH STATEMENT EXECUTE FUNCTION forget_search_entries()"
        for table in ("messages", "escalations", "conversations")
    ),
)
_FILL = """
INSERT INTO search_fills (source, before)
SELECT source, 'ffffffff-ffff-ffff-ffff-ffffffffffff'
FROM unnest(ARRAY['MESSAGE', 'CUSTOMER', 'ESCALATION']) AS source
WHERE EXISTS (SELECT FROM conversations)
"""
# Processes of the version before go on writing, and their transactions fire the triggers.
_GRANT = """
DO $$ DECLARE grantee text; BEGIN
    FOR grantee IN SELECT DISTINCT g.grantee FROM information_schema.role_table_grants g
        WHERE g.table_schema = current_schema() AND g.table_name = 'messages' AND g.privilege_type = 'INSERT'
            AND g.grantee <> current_user
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON search_entries, search_fills TO %I', grantee);
    END LOOP;
END $$
"""


def _source() -> sa.Enum:
    values = ("MESSAGE", "CUSTOMER", "ESCALATION")
    return sa.Enum(*values, name="source", native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    op.create_table(
        "search_entries",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", _source(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", "id", name=op.f("search_entries_pkey")),
    )
    # New words wait in a list. The writer that fills it moves all to the index: with 4 MB, the default, one
    # message took 1.1 s.
    op.create_index(
        "search_entries_words_idx",
        "search_entries",
        ["words"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": "256"},
    )
    op.create_table(
        "search_fills",
        sa.Column("source", _source(), nullable=False),
        sa.Column("before", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("search_fills_pkey")),
    )
    functions = (_TEXT, _VECTOR, _QUERY, _INDEX_MESSAGE, _INDEX_CUSTOMER, _INDEX_ESCALATION, _FORGET)
    for statement in (*functions, _GRANT, _FILL, *_TRIGGERS):
        # The driver's own execution: SQLAlchemy would read `:name` in a pattern as a parameter.
        op.get_bind().exec_driver_sql(statement)
