"""The channels and states of a delivery."""

from enum import StrEnum


class DeliveryChannel(StrEnum):
    """The channels of notifications."""

    EMAIL = "EMAIL"
    SLACK = "SLACK"
    WEBHOOK = "WEBHOOK"


class DeliveryStatus(StrEnum):
    """The status of a delivery. FAILED: its schedule ended. DROPPED: obsolete before it was sent."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    DROPPED = "DROPPED"
