/** Repeating the first call of the page until the server answers it. */

import { useEffect, useRef } from "react";
import { backoff } from "../../live/backoff";
import { isFinal } from "../../live/request";
import { followWakeUps } from "../../live/wake";
import { CallError } from "../api";

/** So many failures in a row are shown: the first ones are often over in a second. */
const SHOWN = 3;

interface Query {
  error: Error | null;
  errorUpdateCount: number;
  refetch(): unknown;
}

function canPass(error: Error): boolean {
  return !(error instanceof CallError && isFinal(error.cause));
}

/**
 * Repeat a query that has failed: after growing waits, and when the page or its network comes back. Return the failure
 * to show, and whether it is repeated.
 */
export function useRepeat({ error, errorUpdateCount, refetch }: Query) {
  useEffect(() => {
    if (!error || !canPass(error)) {
      return;
    }
    const again = () => void refetch();
    const timer = setTimeout(again, backoff(errorUpdateCount));
    const unfollow = followWakeUps(
      again,
      () => {},
      () => {},
    );
    return () => {
      clearTimeout(timer);
      unfollow();
    };
  }, [error, errorUpdateCount, refetch]);

  // While it is repeated, the query itself has no error.
  const last = useRef(error);
  last.current = error ?? last.current;
  const failure = last.current;
  return {
    failure: failure && (errorUpdateCount >= SHOWN || !canPass(failure)) ? failure : undefined,
    repeats: Boolean(failure && canPass(failure)),
  };
}
