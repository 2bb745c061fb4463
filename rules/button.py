"""The “talk to a human” button: when the widget shows it."""

from enum import StrEnum


class ButtonVisibility(StrEnum):
    """The visibility of the “talk to a human” button; phrases escalate in every case."""

    ALWAYS = "ALWAYS"
    AFTER_THRESHOLD = "AFTER_THRESHOLD"
    NEVER = "NEVER"


def button_visible(
    visibility: ButtonVisibility, after_messages: int, customer_messages: int, uncertain_replies: int
) -> bool:
    """Return whether to show the button; AFTER_THRESHOLD needs enough messages or one uncertain reply."""
    if visibility is ButtonVisibility.AFTER_THRESHOLD:
        return customer_messages >= after_messages or uncertain_replies > 0
    return visibility is ButtonVisibility.ALWAYS
