"""The roles and states of a message."""

from enum import StrEnum


class MessageRole(StrEnum):
    """The author of a message: the customer, the AI agent, a team member, or Baton itself."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    HUMAN = "HUMAN"
    SYSTEM = "SYSTEM"


# The roles whose words notifications contain; notices of Baton itself stay inside.
SPOKEN_ROLES = (MessageRole.USER, MessageRole.ASSISTANT, MessageRole.HUMAN)


class MessageKind(StrEnum):
    """The kind of a message of Baton itself."""

    CONFIRMATION = "CONFIRMATION"
    TAKEN_OVER = "TAKEN_OVER"
    HANDED_BACK = "HANDED_BACK"


class MessageStatus(StrEnum):
    """DELIVERED: shown to the customer. HELD: a draft for the team. DISCARDED: a draft that was not sent."""

    DELIVERED = "DELIVERED"
    HELD = "HELD"
    DISCARDED = "DISCARDED"
