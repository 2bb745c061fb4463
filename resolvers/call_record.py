"""The facts of one call, for the log, the metrics and the headers of the answer."""

from dataclasses import dataclass

from limits import RateLimitItem

from resolvers.actor import Actor

SUCCEEDED = "OK"
UNNAMED = "unknown"


@dataclass(frozen=True, slots=True)
class RateStatus:
    """The state of a limit: how many more calls it admits now. `name` is shown, such as “messages”."""

    name: str
    limit: RateLimitItem
    remaining: int

    @property
    def share(self) -> float:
        """The remaining share of the limit."""
        return self.remaining / self.limit.amount


@dataclass(eq=False, slots=True)
class CallRecord:
    """The facts of one call.

    `operation` is the type of the operation and its first root field, such as “mutation recordMessage”, or
    the function of a REST route. `outcome` is OK or the code of the first error. `fields` is the cost of the
    operation. `rate` is the limit that the call has come closest to. A `shed` call was refused before all
    else, since there were too many. `refusal_recorded` says that the audit log knows of a refusal of it.
    """

    caller: Actor | None = None
    operation: str = UNNAMED
    outcome: str = SUCCEEDED
    fields: int | None = None
    rate: RateStatus | None = None
    shed: bool = False
    refusal_recorded: bool = False

    def note_rate(self, status: RateStatus) -> None:
        """Keep the limit that has the smallest remaining share."""
        if self.rate is None or status.share < self.rate.share:
            self.rate = status
