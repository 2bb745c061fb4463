/** Times in the reader's language and time zone. */

/** Return the time of day, with the date if it is another day. */
export function formatTime(iso: string, language: string | undefined, now = new Date()): string {
  const time = new Date(iso);
  const isToday = time.toDateString() === now.toDateString();
  const format: Intl.DateTimeFormatOptions = isToday
    ? { timeStyle: "short" }
    : { weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return time.toLocaleString(language, format);
}
