// Follows a conversation with a snippet of docs/clients.md, and prints the messages as lines of JSON.
// Arguments: the snippet's name, the URL of the HTTP endpoint, the credential, the conversation's id, the cursor.
import WebSocket from 'ws';

globalThis.WebSocket ??= WebSocket;

const [name, http, token, id, after] = process.argv.slice(2);
const query = `subscription Messages($id: ID!, $after: String) {
  messageAdded(conversationId: $id, after: $after) { cursor message { id role content } } }`;
const options = {
  url: name === 'graphql-sse' ? http : http.replace('http', 'ws'),
  getToken: async () => token,
  query,
  variables: { id, after },
  onEvent: (data) => console.log(JSON.stringify(data.messageAdded.message.content)),
  onError: (error) => console.log(JSON.stringify({ error: String(error.message ?? error.reason ?? error) })),
};
const snippet = await import(`./${name}.mjs`);
if (snippet.follow) {
  snippet.follow(options);
} else {
  const parameters = { name: 'Messages', text: query, operationKind: 'subscription', metadata: {} };
  snippet
    .createNetwork(options)
    .execute(parameters, options.variables, {})
    .subscribe({ next: ({ data }) => options.onEvent(data), error: options.onError });
}
