/** Waiting between attempts, with full jitter. */

const CAP = 20_000;

/**
 * Return a random wait in milliseconds: up to 1 s after one failure, up to 16 s after five, then up to 20 s. It is
 * longer if the service has asked for more.
 */
export function backoff(failures: number, error?: unknown): number {
  const { retryAfter = 0 } = (error ?? {}) as { retryAfter?: number };
  return Math.max(retryAfter * 1000, Math.random() * Math.min(CAP, 500 * 2 ** failures));
}

/** Repeat until it succeeds, or until an error after which no attempt can succeed. */
export async function repeat<T>(act: () => Promise<T>, isOver: (error: unknown) => boolean): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await act();
    } catch (error) {
      if (isOver(error)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, backoff(failures, error)));
    }
  }
}
