// graphql-ws on ws, with the publisher that its documentation's examples use. No deflate, no authentication.
import { createServer } from 'node:http';
import { createPubSub } from '@graphql-yoga/subscription';
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { SDL, takeOrders } from './common.mjs';

const [port, control] = process.argv.slice(2).map(Number);
const published = createPubSub();
const schema = buildSchema(SDL);
const field = schema.getSubscriptionType().getFields().messageAdded;
field.subscribe = () => published.subscribe('messages');
field.resolve = (event) => event;

const http = createServer();
useServer({ schema }, new WebSocketServer({ server: http, path: '/graphql', perMessageDeflate: false }));
takeOrders(control, (event) => published.publish('messages', event));
http.listen(port, '127.0.0.1');
