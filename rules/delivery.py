"""The channels and states of a delivery."""

from enum import StrEnum


class DeliveryChannel(StrEnum):
    """By what somebody outside is told."""

    EMAIL = "EMAIL"
    SLACK = "SLACK"
    WEBHOOK = "WEBHOOK"


class DeliveryStatus(StrEnum):
    """FAILED: its schedule ended without success. DROPPED: no longer true when its turn came."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    DROPPED = "DROPPED"
