"""What every question and act is handed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from models.database import Database
from models.sealing import Seal
from realtime.feed import Feed
from realtime.pubsub import PubSub
from realtime.transaction import Transactions
from resolvers.actor import Actor
from resolvers.credentials import WidgetTokens
from resolvers.errors import UnauthenticatedError
from resolvers.passwords import Passwords
from resolvers.rate_limits import RateLimiter


class ExternalServices(Protocol):
    """What resolvers ask of the world outside, through whoever notifies it."""

    @property
    def email_connected(self) -> bool:
        """Whether there is a mail server to send by."""

    async def url_error(self, url: str) -> str | None:
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
class Services:
    """
    The objects that live as long as the process.

    Live events are read through `live_database`, a pool of their own: no request is in their way.
    """

    database: Database
    live_database: Database
    transactions: Transactions
    feed: Feed
    pubsub: PubSub
    widget_tokens: WidgetTokens
    passwords: Passwords
    rate_limiter: RateLimiter
    seal: Seal
    external: ExternalServices


@dataclass(eq=False)
class Context:
    """
    The context of one call: the services, the caller and its network address.

    `replay_clock` replaces the database's clock in a replay. `live` selects the pool for live events.
    """

    services: Services
    caller: Actor | None = None
    address: str = ""
    replay_clock: datetime | None = field(default=None, kw_only=True)
    live: bool = field(default=False, kw_only=True)

    @property
    def actor(self) -> Actor:
        """The caller; raises UnauthenticatedError for a caller without credential."""
        if self.caller is None:
            raise UnauthenticatedError
        return self.caller

    @property
    def database(self) -> Database:
        """The pool to read from."""
        return self.services.live_database if self.live else self.services.database
