"""The result of one attempt to send."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one attempt. `response` is the HTTP status, SMTP reply or Slack error name, shortened.

    `retry_after`: the receiver asked for this wait. `final`: another attempt cannot succeed. `advice`: a
    sentence that says what people should do then. `gone`: the receiver wants no further events (410).
    """

    succeeded: bool
    response: str | None
    retry_after: timedelta | None = None
    final: bool = False
    advice: str | None = None
    gone: bool = False
