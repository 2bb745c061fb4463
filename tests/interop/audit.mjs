// Runs the audit of GraphQL over HTTP and the single connection mode of graphql-sse. Arguments: the URL and an API key.
import { auditServer } from 'graphql-http';
import { createClient } from 'graphql-sse';

const [url, key] = process.argv.slice(2);
// The audit reads the schema, which needs a credential.
const fetchFn = (input, init = {}) =>
  fetch(input, { ...init, headers: { ...init.headers, authorization: `Bearer ${key}` } });
const results = await auditServer({ url, fetchFn });
console.log(JSON.stringify({
  audits: results.length,
  failed: results.filter(({ status }) => status !== 'ok').map(({ id, name, reason }) => `${id} ${name}: ${reason}`),
}));
const client = createClient({ url, singleConnection: true, retryAttempts: 0 });
await new Promise((done) => {
  const report = (message) => (console.log(JSON.stringify({ message })), done());
  client.subscribe(
    { query: '{ viewer { kind } }' },
    { next: report, error: (error) => report(error.message), complete: () => report('complete') },
  );
});
client.dispose();
