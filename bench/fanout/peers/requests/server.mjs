// node server.mjs PORT SOCKETS [shown]: Mercurius, with its just-in-time compiler, on Baton's tables.
import { createHash } from 'node:crypto';
import Fastify from 'fastify';
import { GraphQLScalarType } from 'graphql';
import mercurius from 'mercurius';
import pg from 'pg';
import { Acts, WakeUps } from './acts.mjs';
import { formatId } from './ids.mjs';
import { statements } from './statements.mjs';

const [port, host, columns] = process.argv.slice(2);
const texts = statements(columns === 'shown');
// With row-level security, the rows of all workspaces: the statements name theirs.
const database = { host, user: 'baton', database: 'baton', options: '-c baton.workspace=*' };
const acting = new pg.Pool({ ...database, max: 20 });
const reading = new pg.Pool({ ...database, max: 10 });
const notifying = new pg.Client(database);
await notifying.connect();

const ask = (client, name, values) => client.query({ name, text: texts[name], values });
const wakeUps = new WakeUps((payload) => ask(notifying, 'notify', ['bench', payload]));
const acts = new Acts(acting, ask, wakeUps);

async function actorOf(request) {
  const token = (request.headers.authorization ?? '').replace('Bearer ', '');
  const hash = createHash('sha256').update(token).digest();
  const isKey = token.startsWith('baton_sk_');
  const { rows } = await ask(reading, isKey ? 'apiKey' : 'session', [[hash], new Date()]);
  if (!rows.length) throw new Error('The credential is not valid.');
  return { kind: isKey ? 'API_KEY' : 'TEAM_MEMBER', id: rows[0].id, workspace: rows[0].workspace_id };
}

const schema = `
  scalar DateTime
  enum Role { USER ASSISTANT HUMAN SYSTEM }
  enum MessageStatus { DELIVERED HELD DISCARDED }
  enum AiState { ACTIVE PAUSED }
  enum EscalationStatus { OPEN IN_PROGRESS RESOLVED }
  enum Priority { LOW MEDIUM HIGH URGENT }
  enum SlaStatus { ON_TRACK AT_RISK BREACHED }
  type Message { id: ID! position: Int! status: MessageStatus! role: Role! content: String! createdAt: DateTime! }
  type Messages { nodes: [Message!]! }
  type Ai { state: AiState! epoch: Int! }
  type Customer { name: String email: String }
  type Member { id: ID! name: String! }
  type Sla { status: SlaStatus! dueAt: DateTime! remainingMinutes: Float }
  type Conversation { id: ID! customer: Customer! messages(last: Int!): Messages! }
  type Escalation {
    id: ID! status: EscalationStatus! priority: Priority! createdAt: DateTime! reason: String! sla: Sla!
    assignee: Member conversation: Conversation!
  }
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  type Escalations { nodes: [Escalation!]! pageInfo: PageInfo! }
  input RecordMessageInput { conversationId: ID! role: Role! content: String! confidence: Float epoch: Int }
  input ReplyInput { escalationId: ID! content: String! }
  type RecordMessagePayload { escalation: Escalation ai: Ai! message: Message! }
  type ReplyPayload { message: Message! }
  type Query { escalations(first: Int!): Escalations! }
  type Mutation {
    recordMessage(input: RecordMessageInput!): RecordMessagePayload
    replyToEscalation(input: ReplyInput!): ReplyPayload
  }`;

function slaOf(row) {
  const at = row.sla_stopped_at ?? new Date();
  const status = at >= row.sla_due_at ? 'BREACHED' : at >= row.sla_at_risk_at ? 'AT_RISK' : 'ON_TRACK';
  const remainingMinutes = row.sla_stopped_at ? null : (row.sla_due_at - Date.now()) / 60_000;
  return { status, dueAt: row.sla_due_at, remainingMinutes };
}

async function listed(first, actor) {
  await ask(reading, 'head', [[actor.workspace]]);
  const { rows } = await ask(reading, 'escalations', [actor.workspace, first + 1]);
  const hasNextPage = rows.length > first;
  if (hasNextPage) rows.pop();
  const last = rows.at(-1);
  const cursor = last && Buffer.from(JSON.stringify([last.created_at, last.id])).toString('base64url');
  return { nodes: rows, pageInfo: { hasNextPage, endCursor: cursor } };
}

const byId = (rows) => new Map(rows.map((row) => [row.id, row]));

const resolvers = {
  // Microseconds, as Baton prints them.
  DateTime: new GraphQLScalarType({ name: 'DateTime', serialize: (at) => `${at.toISOString().slice(0, -1)}000Z` }),
  Query: { escalations: (_, { first }, { actor }) => listed(first, actor) },
  Mutation: {
    recordMessage: (_, { input }, { actor }) => acts.record(actor, input),
    replyToEscalation: (_, { input }, { actor }) => acts.reply(actor, input),
  },
  RecordMessagePayload: {
    escalation: async ({ conversation }, _, { actor }) => {
      const { rows } = await ask(reading, 'active', [actor.workspace, [conversation], 'RESOLVED']);
      return rows[0];
    },
  },
  Escalation: { id: (row) => formatId('esc', row.id), createdAt: (row) => row.created_at, sla: slaOf },
  Conversation: {
    id: (row) => formatId('conv', row.id),
    customer: (row) => ({ name: row.customer_name, email: row.customer_email }),
  },
  Member: { id: (row) => formatId('mem', row.id) },
  Message: {
    id: (row) => (row.id.startsWith('msg_') ? row.id : formatId('msg', row.id)),
    createdAt: (row) => row.created_at,
  },
};

const loaders = {
  Escalation: {
    async assignee(queries, { actor }) {
      const keys = [...new Set(queries.map(({ obj }) => obj.assignee_id).filter(Boolean))];
      const found = byId((await ask(reading, 'members', [actor.workspace, keys])).rows);
      return queries.map(({ obj }) => found.get(obj.assignee_id));
    },
    async conversation(queries, { actor }) {
      const keys = queries.map(({ obj }) => obj.conversation_id);
      const found = byId((await ask(reading, 'conversations', [actor.workspace, keys])).rows);
      return queries.map(({ obj }) => found.get(obj.conversation_id));
    },
  },
  Conversation: {
    async messages(queries) {
      const keys = queries.map(({ obj }) => obj.id);
      const { rows } = await ask(reading, 'messages', [keys, queries[0].params.last]);
      const found = grouped(rows);
      return keys.map((key) => ({ nodes: found.get(key) ?? [] }));
    },
  },
};

function grouped(rows) {
  const result = new Map();
  for (const row of rows) {
    if (!result.has(row.conversation_id)) result.set(row.conversation_id, []);
    result.get(row.conversation_id).push(row);
  }
  return result;
}

const app = Fastify();
const context = async (request) => ({ actor: await actorOf(request) });
app.register(mercurius, { schema, resolvers, loaders, context, jit: 1 });
await app.listen({ port: Number(port), host: '127.0.0.1' });
