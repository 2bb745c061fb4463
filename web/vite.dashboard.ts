import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The service that `npm run dev` forwards to. */
const service = process.env["BATON_URL"] ?? "http://127.0.0.1:8000";

/** Leave React Aria's words in other languages out: the dashboard is in English. */
const onlyEnglish: Plugin = {
  name: "only-english",
  enforce: "pre",
  transform: (_, id) =>
    /\/react-(aria|stately|aria-components)\/.*\/intl\/.*\b(?!en-US)[a-z]{2}-[A-Z]{2}\.mjs$/.test(id)
      ? "export default undefined;"
      : undefined,
};

/** Move the style sheets to the end of the page: what stands before them is shown while they load. */
const sheetsLast: Plugin = {
  name: "sheets-last",
  transformIndexHtml: {
    order: "post",
    handler(html) {
      const sheets = html.match(/ *<link rel="stylesheet".*>\n/g) ?? [];
      const rest = sheets.reduce((text, sheet) => text.replace(sheet, ""), html);
      return rest.replace(/ *<\/body>/, (end) => sheets.join("") + end);
    },
  },
};

export default defineConfig(({ command }) => ({
  root: "dashboard",
  // Relative addresses: the service may live under any path.
  base: command === "serve" ? "/app/" : "./",
  plugins: [onlyEnglish, react(), sheetsLast],
  build: {
    outDir: "../../server/static/app",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    // A data: address would need a weaker content security policy.
    assetsInlineLimit: 0,
  },
  // The preview of texts in other languages reads the words that the service has.
  server: {
    fs: { allow: ["..", "../../rules"] },
    proxy: { "/graphql": { target: service, ws: true }, "/exports": service },
  },
}));
