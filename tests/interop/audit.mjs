// Runs the audit of GraphQL over HTTP and the single connection mode of graphql-sse. Argument: the URL.
import { auditServer } from 'graphql-http';
import { createClient } from 'graphql-sse';

const [url] = process.argv.slice(2);
const results = await auditServer({ url });
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
