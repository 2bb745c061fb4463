"""Limits on the mails about events."""

from dataclasses import dataclass, field

from rules.storm import StormLimit


@dataclass(frozen=True, slots=True)
class MailLimits:
    """The storm limit of each AI agent, and the single mails that are sent in an hour."""

    storm: StormLimit = field(default_factory=StormLimit)
    per_recipient: int = 60
    per_workspace: int = 1_000
