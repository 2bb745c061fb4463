// Mercurius with its Redis emitter, and replies that are rows in PostgreSQL: one topic for each conversation.
// No authentication, no permission, no escalation: the least that the same work can be.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import redis from 'mqemitter-redis';
import pg from 'pg';
import { event, SDL } from './common.mjs';

const [port, redisPort] = process.argv.slice(2, 4).map(Number);
const [host, user, database] = process.argv.slice(4);
const pool = new pg.Pool({ host, user, database, max: 16 });
await pool.query('CREATE SCHEMA IF NOT EXISTS peers');
await pool.query(
  `CREATE TABLE IF NOT EXISTS peers.messages (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), conversation_id text NOT NULL,
   content text NOT NULL, created_at timestamptz NOT NULL DEFAULT now())`,
);
const insert = {
  name: 'insert',
  text: 'INSERT INTO peers.messages (conversation_id, content) VALUES ($1, $2) RETURNING id',
};

const app = Fastify();
app.register(mercurius, {
  schema: `${SDL} type Mutation { reply(conversationId: ID!, content: String!): Message! }`,
  jit: 1,
  subscription: { emitter: redis({ port: redisPort, host: '127.0.0.1' }) },
  resolvers: {
    Query: { hello: () => 'world' },
    Mutation: {
      reply: async (_root, { conversationId, content }, { pubsub }) => {
        await pool.query({ ...insert, values: [conversationId, content] });
        const payload = event(content);
        await pubsub.publish({ topic: `conversation/${conversationId}`, payload });
        return payload.message;
      },
    },
    Subscription: {
      messageAdded: {
        subscribe: (_root, { conversationId }, { pubsub }) => pubsub.subscribe(`conversation/${conversationId}`),
        resolve: (happened) => happened,
      },
    },
  },
});
await app.listen({ port, host: '127.0.0.1' });
