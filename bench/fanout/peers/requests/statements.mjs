// The statements that Baton runs for the measured operations, prepared under names.

const CONVERSATION = `id, workspace_id, agent_id, customer_external_id, customer_email, customer_name,
  customer_verified, customer_subject, widget_family, ai_state, ai_epoch, ai_paused_at, ai_pause_cause, messages,
  customer_messages, uncertain_replies, pending_escalation_id, customer_message_id, awaiting_answer, turn_due,
  customer_read_position, team_read_position, language, metadata, created_at, last_message_at, erased_at, erasure_due`;
const ESCALATION = `id, workspace_id, agent_id, conversation_id, status, priority, priority_rank, trigger, reason,
  detail, summary, metadata, confidence, confirmation, assignee_id, sla_policy, sla_target_minutes, sla_started_at,
  sla_at_risk_at, sla_due_at, sla_stopped_at, sla_next_at, sla_status, created_at, first_responded_at,
  first_response_business_us, resolved_at, resolution_business_us, resolved_by_id, resolution_note, disposition,
  kept_ai_paused, timeline, version`;
const MESSAGE = `id, conversation_id, position, role, status, content, kind, author_id, confidence, intents, metadata,
  created_at, recorder_kind, recorder_id`;
const MEMBER = `id, workspace_id, email, name, role, available, password_hash, invitation_hash, invitation_expires_at,
  alerted_on, totp_secret, totp_confirmed_at, totp_last_step, recovery_hashes, created_at, removed_at`;

const locked = (condition) => `WITH locked AS (SELECT ${CONVERSATION} FROM conversations WHERE ${condition}
  FOR NO KEY UPDATE) SELECT locked.*, agents.settings, clock_timestamp() AS clock
  FROM locked JOIN agents ON agents.id = locked.agent_id`;

const WRITES = {
  apiKey: `SELECT key_hash, id, workspace_id, scopes, last_used_at, networks FROM api_keys
    WHERE key_hash = ANY ($1) AND revoked_at IS NULL AND coalesce(expires_at > $2, true)`,
  session: `SELECT s.token_hash, m.id, m.workspace_id, m.role, s.last_used_at
    FROM member_sessions s JOIN members m ON s.member_id = m.id
    WHERE s.token_hash = ANY ($1) AND least(s.expires_at, s.idle_ends_at) > $2 AND m.removed_at IS NULL`,
  member: `SELECT ${MEMBER} FROM members WHERE id = $1 AND removed_at IS NULL FOR SHARE`,
  conversation: locked('workspace_id = $1 AND id = $2'),
  conversationOf: locked('id = (SELECT conversation_id FROM escalations WHERE workspace_id = $1 AND id = $2)'),
  escalation: `SELECT ${ESCALATION} FROM escalations WHERE id = $1 FOR NO KEY UPDATE`,
  customerSpoke: `UPDATE conversations SET messages = $1, customer_messages = $2, customer_message_id = $3,
    last_message_at = $4 WHERE id = $5`,
  spoken: 'UPDATE conversations SET messages = $1, last_message_at = $2 WHERE id = $3',
  answered: 'UPDATE escalations SET timeline = $1, version = $2 WHERE id = $3',
  timeline: `INSERT INTO timeline_entries (escalation_id, position, kind, actor_id, data, occurred_at, recorder_kind,
    recorder_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
  message: `INSERT INTO messages (${MESSAGE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
  log: `WITH bumped AS (UPDATE streams SET head = head + $1, head_at = $2 WHERE id = $3 RETURNING head)
    INSERT INTO log (stream, position, type, data, occurred_at)
    SELECT $3, bumped.head - $1 + fresh.place, fresh.type, CAST(fresh.data AS jsonb), $2
    FROM bumped, unnest(CAST($4 AS text[]), CAST($5 AS text[])) WITH ORDINALITY AS fresh (type, data, place)
    RETURNING position`,
  notify: 'SELECT pg_notify($1, $2)',
  active: `SELECT ${ESCALATION} FROM escalations
    WHERE workspace_id = $1 AND conversation_id = ANY ($2) AND status <> $3`,
};

const list = (escalation, conversation, member, message) => ({
  head: 'SELECT id, head, head_at FROM streams WHERE id = ANY ($1)',
  escalations: `SELECT ${escalation} FROM escalations WHERE workspace_id = $1
    ORDER BY created_at DESC, id DESC LIMIT $2`,
  conversations: conversation,
  members: `SELECT ${member} FROM members WHERE workspace_id = $1 AND id = ANY ($2)`,
  messages: `SELECT page.* FROM unnest($1::uuid[]) AS owner (id) CROSS JOIN LATERAL (
      SELECT ${message} FROM messages WHERE conversation_id = owner.id ORDER BY position DESC LIMIT $2
    ) page ORDER BY page.conversation_id, page.position`,
});

const ALL = list(
  ESCALATION,
  `SELECT c.*, a.settings, s.head, s.head_at FROM conversations c JOIN agents a ON a.id = c.agent_id
    JOIN streams s ON s.id = c.id WHERE c.workspace_id = $1 AND c.id = ANY ($2)`,
  MEMBER,
  MESSAGE,
);
const SHOWN = list(
  'id, conversation_id, assignee_id, status, priority, reason, created_at, sla_at_risk_at, sla_due_at, sla_stopped_at',
  'SELECT id, customer_name, customer_email FROM conversations WHERE workspace_id = $1 AND id = ANY ($2)',
  'id, name',
  'id, conversation_id, position, role, content, created_at',
);

/** Return the statements by name; lists read all columns, as Baton does, or only those that are shown. */
export const statements = (shown) => ({ ...WRITES, ...(shown ? SHOWN : ALL) });
