/** GraphiQL on the service that serves this page. */

import "./page-safety";
import "graphiql/style.css";
import "./page.css";
import { createGraphiQLFetcher, type Fetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import { parse, type DocumentNode } from "graphql";
import { createRoot } from "react-dom/client";
import { followSignOut, storageWithoutHeaders } from "./storage";

const EXAMPLE = `# Operations run with your session of the dashboard (sign in at /app).
# Or put an API key into Headers below: {"Authorization": "Bearer …"}
# The docs and completion need one of the two as well: load them by "Re-fetch GraphQL schema".

{
  viewer {
    kind
  }
}
`;

/** The page's own address is the endpoint, also under a path prefix. */
const endpoint = new URL(location.pathname, location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol.replace("http", "ws");

const given = new URLSearchParams(location.search);
const run = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });

/** Run an operation, over a WebSocket if it is a subscription. GraphiQL's own document lags while one types. */
const fetcher: Fetcher = (params, options) =>
  run(params, { headers: options?.headers, documentAST: parsed(params.query) });

function parsed(query: string): DocumentNode | undefined {
  try {
    return parse(query);
  } catch {
    // The service answers with the place of the mistake.
    return undefined;
  }
}

followSignOut();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <GraphiQL
      fetcher={fetcher}
      defaultQuery={EXAMPLE}
      query={given.get("query") ?? undefined}
      variables={given.get("variables") ?? undefined}
      showPersistHeadersSettings={false}
      shouldPersistHeaders={false}
      storage={storageWithoutHeaders}
    />,
  );
}
