/** The server's clock, as far as answers reveal it. The browser's own clock may be wrong. */

/** Bounds of the server's clock minus the browser's clock, in milliseconds. */
export interface Offset {
  low: number;
  high: number;
}

/**
 * Narrow the bounds with one answer.
 *
 * A `Date` header names the whole second in which the answer was made, between sending and receiving. Bounds that
 * contradict each other mean that a clock was set: only the newest counts then.
 */
export function narrow(bounds: Offset | undefined, date: number, sent: number, received: number): Offset {
  const next = { low: date - received, high: date + 1_000 - sent };
  if (!bounds) {
    return next;
  }
  const low = Math.max(bounds.low, next.low);
  const high = Math.min(bounds.high, next.high);
  return low <= high ? { low, high } : next;
}

let offset: Offset | undefined;

export function noteServerDate(header: string | null, sent: number, received: number) {
  const date = header ? Date.parse(header) : Number.NaN;
  if (!Number.isNaN(date)) {
    offset = narrow(offset, date, sent, received);
  }
}

/** Return the server's time in milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + (offset ? (offset.low + offset.high) / 2 : 0);
}
