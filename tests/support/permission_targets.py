"""The kinds of rows that the cases of permissions aim at."""

from enum import Enum, auto


class Target(Enum):
    """The kind of row that a case aims at."""

    AGENT = auto()
    API_KEY = auto()
    CONVERSATION = auto()
    DELIVERY = auto()
    DRAFT = auto()
    ENDPOINT = auto()
    ESCALATION = auto()
    MEMBER = auto()
    MESSAGE = auto()
    SAVED_REPLY = auto()
    WORKSPACE = auto()


AGENT, API_KEY, CONVERSATION, DELIVERY, DRAFT, ENDPOINT, ESCALATION, MEMBER, MESSAGE = list(Target)[:9]
SAVED_REPLY, WORKSPACE = Target.SAVED_REPLY, Target.WORKSPACE
