/** Typed calls of the GraphQL API, with the session cookie. */

import type { DocumentTypeDecoration } from "@graphql-typed-document-node/core";
import { type ApiError, type GraphQLFailure, NetworkError, toApiError } from "../live/request";
import { graphqlUrl } from "./base";
import { noteMutation } from "./own-acts";
import { noteServerDate } from "./server-time";
import { reportSignedOut } from "./session/state";

const TIMEOUT = 20_000;

export type Document<Result, Variables> = DocumentTypeDecoration<Result, Variables> & { toString(): string };

/** An answer with errors. `field` is the path of the input at fault, such as `input.email`. */
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly field: string | undefined,
    /** The first error in the live client's terms. */
    override readonly cause: ApiError,
  ) {
    super(message);
  }
}

interface Failure extends GraphQLFailure {
  extensions?: { code?: string; field?: string };
}

/** Send a query or mutation and return its data. Throws CallError and NetworkError. */
export async function execute<Result, Variables>(
  document: Document<Result, Variables>,
  variables: Variables,
  options: { keepalive?: boolean } = {},
): Promise<Result> {
  const sent = Date.now();
  noteMutation(document.toString(), variables);
  let response: Response;
  let answer: { data?: Result; errors?: Failure[] };
  try {
    response = await fetch(graphqlUrl, {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json" },
      body: JSON.stringify({ query: document.toString(), variables }),
      signal: AbortSignal.timeout(TIMEOUT),
      credentials: "same-origin",
      keepalive: options.keepalive ?? false,
    });
    noteServerDate(response.headers.get("date"), sent, Date.now());
    answer = await response.json();
  } catch {
    throw new NetworkError("The server did not answer. Check the connection.");
  }
  const first = answer.errors?.[0];
  if (first) {
    const cause = toApiError(answer.errors as Failure[]);
    if (cause.code === "UNAUTHENTICATED") {
      reportSignedOut();
    }
    throw new CallError(cause.code, first.message, first.extensions?.field, cause);
  }
  if (!answer.data) {
    throw new NetworkError(`The server answered with status ${response.status}.`);
  }
  return answer.data;
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof CallError && error.code === code;
}
