// Follows one conversation with the official client, and prints what comes as lines of JSON.
// Arguments: the URL, the credential, the conversation's id, the cursor, how many messages to wait for.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

const [url, token, id, after, count] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  lazy: false,
  connectionParams: { authorization: `Bearer ${token}` },
  on: { connected: () => console.log(JSON.stringify({ connected: true })) },
});
const query = `subscription($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) { cursor message { position role content } } }`;
let seen = 0;
for await (const result of client.iterate({ query, variables: { id, after } })) {
  console.log(JSON.stringify(result));
  if (++seen === Number(count)) break;
}
const bad = client.iterate({ query: '{ nothing' });
await bad.next().then(
  () => console.log(JSON.stringify({ unexpected: true })),
  (errors) => console.log(JSON.stringify({ refused: errors[0].extensions.code })),
);
for await (const result of client.iterate({ query: '{ viewer { kind } }' })) console.log(JSON.stringify(result));
await client.dispose();
