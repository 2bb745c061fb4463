"""Whether the “talk to a human” button is to be shown."""

from rules.lifecycle import ButtonVisibility
from rules.settings import WidgetSettings


def button_visible(widget: WidgetSettings, customer_messages: int, uncertain_replies: int) -> bool:
    """AFTER_THRESHOLD shows it after so many customer messages, or one uncertain reply."""
    if widget.button_visibility is ButtonVisibility.AFTER_THRESHOLD:
        return customer_messages >= widget.button_after_messages or uncertain_replies > 0
    return widget.button_visibility is ButtonVisibility.ALWAYS
