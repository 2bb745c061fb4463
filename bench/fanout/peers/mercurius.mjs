// Mercurius at its best: compiled queries (jit) and its own emitter in memory. No deflate, no authentication.
import Fastify from 'fastify';
import mercurius from 'mercurius';
import { SDL, takeOrders } from './common.mjs';

const [port, control] = process.argv.slice(2).map(Number);
const app = Fastify();
app.register(mercurius, {
  schema: SDL,
  jit: 1,
  subscription: true,
  resolvers: {
    Query: { hello: () => 'world' },
    Subscription: {
      messageAdded: {
        subscribe: (_root, _arguments, { pubsub }) => pubsub.subscribe('messages'),
        resolve: (event) => event,
      },
    },
  },
});
await app.ready();
takeOrders(control, (event) => app.graphql.pubsub.publish({ topic: 'messages', payload: event }));
await app.listen({ port, host: '127.0.0.1' });
