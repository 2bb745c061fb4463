/** A call that waits for a quiet moment. */

export interface QuietCall {
  /** Ask for a call after `quiet` ms without another request, `latest` ms after the first at the latest. */
  request(): void;
  cancel(): void;
}

export function createQuietCall(run: () => void, quiet = 300, latest = 2_000): QuietCall {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let deadline = 0;
  const call = () => {
    timer = undefined;
    run();
  };
  return {
    request() {
      const now = Date.now();
      if (timer === undefined) {
        deadline = now + latest;
      }
      clearTimeout(timer);
      timer = setTimeout(call, Math.max(0, Math.min(quiet, deadline - now)));
    },
    cancel() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
