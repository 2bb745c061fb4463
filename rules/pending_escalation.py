"""The outcomes of a pending escalation."""

from enum import StrEnum


class PendingOutcome(StrEnum):
    """The outcome of an uncertain reply whose escalation was delayed."""

    WAITING = "WAITING"
    AVERTED = "AVERTED"
    FIRED = "FIRED"
    TAKEN_OVER = "TAKEN_OVER"
