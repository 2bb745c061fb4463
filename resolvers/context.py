"""What every question and act is handed."""

from dataclasses import dataclass, field
from datetime import datetime

from models.database import Database
from realtime.act import Acts
from realtime.bell import Bell
from realtime.feed import Feed
from resolvers.actor import Actor
from resolvers.credentials import WidgetTokens
from resolvers.errors import UnauthenticatedError
from resolvers.limits import Limits
from resolvers.passwords import Passwords


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
