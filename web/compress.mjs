/** Write name.br and name.gz next to each file of the built dashboard. The server sends what the browser accepts. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";

const assets = new URL("../server/static/app/assets/", import.meta.url);

for (const name of readdirSync(assets)) {
  const data = readFileSync(new URL(name, assets));
  writeFileSync(new URL(`${name}.gz`, assets), gzipSync(data, { level: 9 }));
  writeFileSync(new URL(`${name}.br`, assets), brotliCompressSync(data));
}
