/** GraphQL over HTTP, with errors that callers can tell apart. */

/** An answer of the API with errors. `code` is one of the schema's ErrorCode. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    /** Seconds that the server asks the caller to wait. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }
}

/** No answer: the network, a proxy, or a server that does not run. */
export class NetworkError extends Error {}

/** Codes that the same call gets again, however often it is repeated. */
const FINAL =
  /^(UNAUTHENTICATED|FORBIDDEN|NOT_FOUND|BAD_USER_INPUT|CONFLICT|IDEMPOTENCY_MISMATCH|QUERY_TOO_COMPLEX)$/;

/** Return the code of an error that the API has answered with. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof ApiError ? error.code : undefined;
}

/** Return true if repeating the call cannot succeed. */
export function isFinal(error: unknown): boolean {
  return FINAL.test(codeOf(error) ?? "");
}

/** Return true if there was no whole answer in time, as over a slow connection. */
export function isTimeout(error: unknown): boolean {
  return (error as Error).message.startsWith("TimeoutError");
}

/** The shape of an entry of `errors` in an answer. */
export interface GraphQLFailure {
  message: string;
  extensions?: { code?: string; retryAfter?: number };
}

/** Return the first of an answer's errors. */
export function toApiError([first]: readonly GraphQLFailure[]): ApiError {
  const { code = "INTERNAL", retryAfter = 0 } = first?.extensions ?? {};
  return new ApiError(code, first?.message ?? "", retryAfter);
}

export interface RequestOptions {
  token?: string | undefined;
}

/** Milliseconds until an unanswered request counts as failed. */
const TIMEOUT = 10_000;

/** Send a query or mutation and return its data. Throws ApiError and NetworkError. */
export async function request<T>(
  url: string,
  query: string,
  variables: Record<string, unknown>,
  { token }: RequestOptions = {},
): Promise<T> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        // With this type errors come with status 200: a browser logs each other status to the console of the page.
        accept: "application/json",
        "content-type": "application/json",
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const answer = await response.json();
    if (answer.errors) {
      throw toApiError(answer.errors);
    }
    // A proxy or problem document in place of an answer.
    if (!answer.data) {
      throw new NetworkError(`HTTP ${response.status}`);
    }
    return answer.data;
  } catch (error) {
    throw error instanceof ApiError ? error : new NetworkError(String(error));
  }
}
