"""What every question and act is handed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from models.database import Database
from models.sealing import Seal
from realtime.feed import Feed
from realtime.pubsub import Bell
from realtime.transaction import Acts
from resolvers.actor import Actor
from resolvers.credentials import WidgetTokens
from resolvers.errors import UnauthenticatedError
from resolvers.passwords import Passwords
from resolvers.rate_limits import Limits


class Outside(Protocol):
    """What resolvers ask of the world outside, through whoever notifies it."""

    @property
    def email_connected(self) -> bool:
        """Whether there is a mail server to send by."""

    async def fault_in_url(self, url: str) -> str | None:
        """Why events may not be posted to the URL, in words for the user; None when they may."""

    async def slack_team(self, token: str) -> str:
        """
        The Slack workspace that a bot token is for.

        Raises ValueError for a token that is no good, ConnectionError when Slack cannot be asked, both in
        words for the user.
        """

    def new_webhook_secret(self) -> str:
        """A fresh secret, “whsec_…”."""


@dataclass(frozen=True, slots=True)
class House:
    """What stands for the whole life of a process."""

    database: Database
    acts: Acts
    feed: Feed
    bell: Bell
    widget_tokens: WidgetTokens
    passwords: Passwords
    limits: Limits
    seal: Seal
    outside: Outside


@dataclass(frozen=True, slots=True)
class Context:
    """One call: who makes it, from where, and on which clock (None: the database's)."""

    house: House
    caller: Actor | None = None
    address: str = ""
    recorded: datetime | None = field(default=None, kw_only=True)

    @property
    def actor(self) -> Actor:
        """Who calls; raises UnauthenticatedError when nobody has said so."""
        if self.caller is None:
            raise UnauthenticatedError
        return self.caller
