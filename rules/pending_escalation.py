"""The outcomes of a pending escalation."""

from enum import StrEnum


class PendingOutcome(StrEnum):
    """The outcome of an uncertain reply whose escalation was delayed.

    WITHDRAWN: new settings no longer escalate such a reply.
    """

    WAITING = "WAITING"
    AVERTED = "AVERTED"
    FIRED = "FIRED"
    TAKEN_OVER = "TAKEN_OVER"
    WITHDRAWN = "WITHDRAWN"
