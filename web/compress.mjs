/** Write name.br and name.gz next to each file of a built page. The server sends what the browser accepts. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

for (const page of ["app", "graphiql"]) {
  const assets = new URL(`../server/static/${page}/assets/`, import.meta.url);
  for (const name of readdirSync(assets)) {
    const data = readFileSync(new URL(name, assets));
    writeFileSync(new URL(`${name}.gz`, assets), gzipSync(data, { level: 9 }));
    writeFileSync(new URL(`${name}.br`, assets), brotliCompressSync(data));
  }
}
