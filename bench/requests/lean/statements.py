"""The statements of the lean servers, on Baton's tables.

Each list of parameters stands before its statement. CTEs that write run in no promised order, so the
workspace's stream depends on that of the conversation: streams are locked in Baton's order.
"""

# $1 hash of the token, $2 scope.
KEY = """SELECT id, workspace_id FROM api_keys
WHERE key_hash = $1 AND revoked_at IS NULL AND coalesce(expires_at > now(), true) AND $2 = ANY (scopes)"""
# $1 hash of the token.
SESSION = """SELECT members.id, members.workspace_id
FROM member_sessions JOIN members ON members.id = member_id
WHERE token_hash = $1 AND least(expires_at, idle_ends_at) > now() AND removed_at IS NULL"""

_CONVERSATION = """conversations.id, conversations.workspace_id, conversations.agent_id, ai_state, ai_epoch,
ai_pause_cause, messages, customer_messages, uncertain_replies, pending_escalation_id, erased_at"""

# $1 conversation, $2 workspace. The clock is read after the lock, so times follow positions.
LOCK = f"""WITH locked AS MATERIALIZED (
    SELECT {_CONVERSATION} FROM conversations WHERE id = $1 AND workspace_id = $2 FOR NO KEY UPDATE
) SELECT locked.*, agents.settings, clock_timestamp() AS clock
FROM locked JOIN agents ON agents.id = locked.agent_id"""

# $1 hash of the API key, $2 scope, $3 conversation.
READ = f"""WITH caller AS MATERIALIZED ({KEY})
SELECT {_CONVERSATION}, agents.settings, clock_timestamp() AS clock, conversations.xmin::text AS version,
    caller.id AS caller
FROM caller JOIN conversations ON conversations.workspace_id = caller.workspace_id AND conversations.id = $3
JOIN agents ON agents.id = conversations.agent_id"""

# $1 escalation, $2 workspace, $3 member. The statement itself locks every row that a decision depends on. A
# row that is only read next to a lock is as old as the statement.
LOCK_ESCALATION = f"""WITH author AS MATERIALIZED (
    SELECT id AS author FROM members WHERE id = $3 AND removed_at IS NULL AND role <> 'VIEWER' FOR SHARE
), locked AS MATERIALIZED (
    SELECT {_CONVERSATION} FROM conversations WHERE EXISTS (SELECT FROM author) AND id = (
        SELECT conversation_id FROM escalations WHERE id = $1 AND workspace_id = $2) FOR NO KEY UPDATE
), raised AS MATERIALIZED (
    SELECT status, assignee_id, first_responded_at, timeline, version
    FROM escalations JOIN locked ON conversation_id = locked.id WHERE escalations.id = $1
    FOR NO KEY UPDATE OF escalations
) SELECT locked.*, raised.*, agents.settings, clock_timestamp() AS clock
FROM locked CROSS JOIN raised JOIN agents ON agents.id = locked.agent_id"""

# $1 hash of the session's token, $2 escalation.
READ_ESCALATION = f"""SELECT {_CONVERSATION}, status, assignee_id, first_responded_at, timeline, version,
    agents.settings, clock_timestamp() AS clock, members.id AS caller,
    ARRAY[members.xmin::text, conversations.xmin::text, escalations.xmin::text] AS versions
FROM member_sessions JOIN members ON members.id = member_id
JOIN escalations ON escalations.workspace_id = members.workspace_id AND escalations.id = $2
JOIN conversations ON conversations.id = conversation_id
JOIN agents ON agents.id = conversations.agent_id
WHERE token_hash = $1 AND least(expires_at, idle_ends_at) > now() AND removed_at IS NULL
    AND role <> 'VIEWER'"""

_STREAMS = """own AS (
    UPDATE streams SET head = head + 1, head_at = $3 FROM changed WHERE streams.id = changed.id RETURNING head
), own_entry AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT $1, own.head, 'message.added', {message}, $3 FROM own
), shared AS (
    UPDATE streams SET head = streams.head + {entries}, head_at = $3 FROM changed, own
    WHERE streams.id = changed.workspace_id RETURNING streams.id, streams.head
), shared_entry AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT shared.id, shared.head - {entries} + 1, 'conversation.message_added', jsonb_build_object(
        'conversation', $1, 'agent', changed.agent_id, 'message', $4::uuid), $3
    FROM shared, changed
)"""

# $1 conversation, $2 position, $3 time, $4 message, $5 role, $6 content, $7 confidence, $8 messages of the
# customer, $9 uncertain replies, $10 API key.
_RECORD = f"""WITH changed AS (
    UPDATE conversations SET messages = $2, last_message_at = $3, customer_messages = $8,
        uncertain_replies = $9, awaiting_answer = $5::text = 'USER', turn_due = turn_due AND $5 <> 'USER',
        customer_message_id = CASE $5 WHEN 'USER' THEN $4 ELSE customer_message_id END
    WHERE id = $1::uuid%s RETURNING id, workspace_id, agent_id
), said AS (
    INSERT INTO messages (id, conversation_id, position, role, status, content, confidence, intents,
        created_at, recorder_kind, recorder_id)
    SELECT $4, $1, $2, $5, 'DELIVERED', $6, $7, '{{}}', $3, 'API_KEY', $10 FROM changed
), {
    _STREAMS.format(
        entries=1,
        message="jsonb_build_object('message', $4::uuid, 'status', 'DELIVERED', 'role', $5::text)",
    )
} SELECT own.head, shared.head AS shared_head, (
    SELECT id FROM escalations WHERE conversation_id = $1 AND status <> 'RESOLVED') AS escalation
FROM own, shared"""
RECORD = _RECORD % ""
# $11 version: nothing is written after another transaction has changed the conversation.
RECORD_UNCHANGED = _RECORD % " AND conversations.xmin::text = $11"

# $1 conversation, $2 position, $3 time, $4 message, $5 content, $6 member, $7 escalation, $8 its timeline,
# $9 its version.
_REPLY = f"""WITH {{locks}}changed AS (
    UPDATE conversations SET messages = $2, last_message_at = $3, awaiting_answer = false{{source}}
    WHERE conversations.id = $1::uuid RETURNING conversations.id, workspace_id, agent_id
), answered AS (
    UPDATE escalations SET timeline = $8, version = $9 FROM changed WHERE escalations.id = $7
), fact AS (
    INSERT INTO timeline_entries (escalation_id, position, kind, actor_id, data, occurred_at, recorder_kind,
        recorder_id)
    SELECT $7, $8, 'replied', $6, jsonb_build_object('message', $4::uuid), $3, 'TEAM_MEMBER', $6 FROM changed
), said AS (
    INSERT INTO messages (id, conversation_id, position, role, status, content, author_id, intents,
        created_at, recorder_kind, recorder_id)
    SELECT $4, $1, $2, 'HUMAN', 'DELIVERED', $5, $6, '{{{{}}}}', $3, 'TEAM_MEMBER', $6 FROM changed
), {
    _STREAMS.format(
        entries=2,
        message="jsonb_build_object('message', $4::uuid, 'status', 'DELIVERED', 'role', 'HUMAN', "
        "'author', $6::uuid)",
    )
}, replied AS (
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT shared.id, shared.head, 'escalation.replied', jsonb_build_object(
        'escalation', $7::uuid, 'conversation', $1, 'agent', changed.agent_id, 'timeline', $8::integer,
        'version', $9::integer, 'message', $4::uuid), $3
    FROM shared, changed
) SELECT own.head, shared.head AS shared_head FROM own, shared"""
REPLY = _REPLY.format(locks="", source="")
# $10 versions of member, conversation and escalation: they are locked in Baton's order, as long as they are
# the same. Everything else depends on the last of them.
_LOCKS = """author AS MATERIALIZED (
    SELECT id FROM members WHERE id = $6 AND xmin::text = ($10::text[])[1] FOR SHARE
), talk AS MATERIALIZED (
    SELECT conversations.id FROM conversations, author
    WHERE conversations.id = $1 AND conversations.xmin::text = ($10::text[])[2]
    FOR NO KEY UPDATE OF conversations
), raised AS MATERIALIZED (
    SELECT escalations.id FROM escalations, talk
    WHERE escalations.id = $7 AND escalations.xmin::text = ($10::text[])[3]
    FOR NO KEY UPDATE OF escalations
), """
REPLY_UNCHANGED = _REPLY.format(locks=_LOCKS, source=" FROM raised")

NOTIFY = "SELECT pg_notify('bench', $1)"

# $1 workspace, $2 one more than the page.
ESCALATIONS = """SELECT id, status, priority, reason, created_at, sla_policy, sla_target_minutes,
    sla_started_at, sla_at_risk_at, sla_due_at, sla_stopped_at, assignee_id, conversation_id
FROM escalations WHERE workspace_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2"""
# $1 workspace, $2 ids.
CONVERSATIONS = """SELECT id, customer_name, customer_email FROM conversations
WHERE workspace_id = $1 AND id = ANY ($2)"""
MEMBERS = "SELECT id, name FROM members WHERE workspace_id = $1 AND id = ANY ($2)"
MESSAGES = """SELECT page.* FROM unnest($2::uuid[]) AS owner (id)
JOIN conversations ON conversations.id = owner.id AND workspace_id = $1 CROSS JOIN LATERAL (
    SELECT id, conversation_id, role, content, created_at FROM messages
    WHERE conversation_id = owner.id ORDER BY position DESC LIMIT 3) AS page"""
