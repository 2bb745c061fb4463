// node server.mjs PORT URL: PostGraphile 5 on Baton's tables. It looks up no credential and has no rules.
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';

const [port, connectionString] = process.argv.slice(2);
// With row-level security, the rows of all workspaces.
const poolConfig = { max: 10, options: '-c baton.workspace=*' };
const service = makePgService({ connectionString, schemas: ['public'], poolConfig });
const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [service],
  grafserv: { graphqlPath: '/graphql', watch: false, graphiql: false },
  grafast: { explain: false },
});
const server = createServer();
await instance.createServ(grafserv).addTo(server);
server.listen(Number(port), '127.0.0.1');
