import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** Leave fonts and images with data: addresses out of GraphiQL's style sheet: the policy of the page has none. */
const withoutDataAddresses: Plugin = {
  name: "without-data-addresses",
  enforce: "pre",
  transform(code, id) {
    if (id.includes("graphiql/dist/style.css")) {
      return code.replace(/@font-face\s*\{[^}]*\}/g, "").replace(/url\(["']?data:[^)]*\)/g, "none");
    }
    return undefined;
  },
};

export default defineConfig({
  root: "graphiql",
  base: "./",
  plugins: [withoutDataAddresses, react()],
  build: {
    outDir: "../../server/static/graphiql",
    emptyOutDir: true,
    manifest: true,
    target: "es2022",
    assetsInlineLimit: 0,
    // A page for developers; it loads all of its code on each visit.
    chunkSizeWarningLimit: 3000,
    // A dependency of GraphiQL has a directive for a compiler that does not run here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
