"""Whether the “talk to a human” button is to be shown."""

from enum import StrEnum

from rules.agent_settings import WidgetSettings


class ButtonVisibility(StrEnum):
    """When the “talk to a human” button shows; escalation by words is possible in every case."""

    ALWAYS = "ALWAYS"
    AFTER_THRESHOLD = "AFTER_THRESHOLD"
    NEVER = "NEVER"


def button_visible(widget: WidgetSettings, customer_messages: int, uncertain_replies: int) -> bool:
    """AFTER_THRESHOLD shows it after so many customer messages, or one uncertain reply."""
    if widget.button_visibility is ButtonVisibility.AFTER_THRESHOLD:
        return customer_messages >= widget.button_after_messages or uncertain_replies > 0
    return widget.button_visibility is ButtonVisibility.ALWAYS
