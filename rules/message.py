"""The roles and states of a message."""

from enum import StrEnum


class MessageRole(StrEnum):
    """Who speaks: the customer, the AI agent, a team member, or Baton itself."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    HUMAN = "HUMAN"
    SYSTEM = "SYSTEM"


class MessageStatus(StrEnum):
    """DELIVERED is seen by the customer, HELD is a draft for the team, DISCARDED was passed over."""

    DELIVERED = "DELIVERED"
    HELD = "HELD"
    DISCARDED = "DISCARDED"
