"""What the customer is told when an escalation is raised, and when control passes."""

DEFAULT_CONFIRMATION = (
    "Your request has been escalated to our support team. "
    "We typically respond within {response_time} during business hours."
)
AROUND_THE_CLOCK_CONFIRMATION = (
    "Your request has been escalated to our support team. We typically respond within {response_time}."
)
PEOPLE_NOTICE = "A member of our team is taking over this conversation."
HAND_BACK_NOTICE = "Our AI assistant is answering in this conversation again."

_UNITS = (("week", 7 * 24 * 60), ("day", 24 * 60), ("hour", 60), ("minute", 1))


def response_time_in_words(minutes: int) -> str:
    """120 is “2 hours”, 90 “1 hour and 30 minutes”, 1,440 “1 day”: the two largest units that are needed."""
    parts = []
    for name, size in _UNITS:
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " and ".join(parts[:2]) or "1 minute"


def confirmation_text(template: str, target_minutes: int, business_hours: str) -> str:
    """
    The confirmation with its placeholders filled; any other brace is the team's own and stays.

    The default text leaves out “during business hours” when there are none.
    """
    if template == DEFAULT_CONFIRMATION and business_hours == AROUND_THE_CLOCK:
        template = AROUND_THE_CLOCK_CONFIRMATION
    words = response_time_in_words(target_minutes)
    return template.replace("{response_time}", words).replace("{business_hours}", business_hours)


AROUND_THE_CLOCK = "around the clock"
