import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The service that `npm run dev` forwards to. */
const service = process.env["BATON_URL"] ?? "http://127.0.0.1:8000";

export default defineConfig(({ command }) => ({
  root: "dashboard",
  // Relative addresses: the service may live under any path.
  base: command === "serve" ? "/app/" : "./",
  plugins: [react()],
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
