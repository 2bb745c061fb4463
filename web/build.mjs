/** Build the widget into ../server/static/widget: the panel first, whose name the loader then carries. */

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../server/static/widget");

/** Evergreen browsers of the last 30 months. */
const target = ["chrome123", "edge123", "firefox120", "safari17.5"];

/** Spaces around the punctuation of GraphQL documents mean nothing, and are sent to every visitor. */
const shortenDocuments = {
  name: "shorten-documents",
  enforce: "pre",
  transform(code, id) {
    const shorten = (text) => text.replace(/\s+/g, " ").replace(/ ?([{}():,]) ?/g, "$1");
    return id.endsWith("/widget/documents.ts") ? code.replace(/(["`])[^"`]*\1/g, shorten) : undefined;
  },
};

const common = {
  plugins: [shortenDocuments],
  root: here,
  configFile: false,
  logLevel: "warn",
  publicDir: false,
};

async function bundle(entry, format, output, define = {}) {
  const [result] = [
    await build({
      ...common,
      define,
      build: {
        outDir: out,
        emptyOutDir: false,
        target,
        // As a library: otherwise each import() is wrapped in code that writes <link> elements.
        lib: { entry: join(here, entry), formats: [format], name: "baton" },
        rolldownOptions: {
          optimization: { inlineConst: true },
          output: { ...output, minify: true, comments: { annotation: false } },
        },
      },
    }),
  ].flat();
  return result.output;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const panel = await bundle("widget/main.ts", "es", {
  entryFileNames: "panel.[hash].js",
  chunkFileNames: "[name].[hash].js",
});
const panelName = panel.find((file) => file.isEntry).fileName;
const define = { PANEL: JSON.stringify(panelName) };
await bundle("widget/loader.ts", "iife", { entryFileNames: "widget.js" }, define);
await bundle("widget/module.ts", "es", { entryFileNames: "widget.mjs" }, define);

const types = readFileSync(join(here, "widget/api.ts"), "utf8");
writeFileSync(join(out, "widget.d.mts"), `${types}\nexport declare const baton: Baton;\n`);

const files = {};
for (const name of readdirSync(out).sort()) {
  const data = readFileSync(join(out, name));
  const gzip = gzipSync(data, { level: 9 });
  const brotli = brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(join(out, `${name}.gz`), gzip);
  writeFileSync(join(out, `${name}.br`), brotli);
  const integrity = `sha384-${createHash("sha384").update(data).digest("base64")}`;
  files[name] = { bytes: data.length, gzip: gzip.length, brotli: brotli.length, integrity };
}
writeFileSync(join(out, "manifest.json"), `${JSON.stringify({ panel: panelName, files }, null, 2)}\n`);
for (const [name, { bytes, gzip, brotli }] of Object.entries(files)) {
  console.log(`${name.padEnd(28)}${bytes} bytes, ${gzip} gzip, ${brotli} brotli`);
}
