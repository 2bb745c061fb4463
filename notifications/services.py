"""The container of the objects that notifications need for the life of a process."""

from dataclasses import dataclass, field
from pathlib import Path

from models.database import Database
from models.sealing import Seal
from notifications.email.smtp import Smtp
from notifications.slack.api import SlackFault, verify_token
from notifications.webhook.send import new_secret
from notifications.webhook.url_policy import NotAllowedError, resolve_and_check
from realtime.transaction import Transactions
from rules.mail_limits import MailLimits


@dataclass(frozen=True, slots=True)
class NotificationServices:
    """The objects and settings of notifications.

    `url` is the public address of Baton. Addresses in `confirmed_domains` need no confirmation. Without
    `smtp` mails are kept in `mail_folder`, if there is one. `allow_private`: webhooks may go to private
    networks.
    """

    database: Database
    transactions: Transactions
    seal: Seal
    url: str
    slack_api_url: str
    confirmed_domains: frozenset[str] = frozenset()
    mail_limits: MailLimits = field(default_factory=MailLimits)
    smtp: Smtp | None = None
    mail_folder: Path | None = None
    allow_private: bool = False

    @property
    def email_connected(self) -> bool:
        """True if there is a mail server to send through."""
        return self.smtp is not None

    @property
    def sends_email(self) -> bool:
        """True if mails are sent or kept."""
        return self.smtp is not None or self.mail_folder is not None

    async def url_error(self, url: str) -> str | None:
        """Return why webhooks must not use the URL, in words for the user, or None if they may."""
        try:
            await resolve_and_check(url, self.allow_private)
        except NotAllowedError as error:
            return str(error)
        return None

    async def slack_team(self, token: str) -> str:
        """Return the name of the Slack workspace of a bot token.

        Raise ValueError for a token that Slack refuses, and ConnectionError if Slack cannot be asked, both
        in words for the user.
        """
        team = await verify_token(token, self.slack_api_url)
        if isinstance(team, SlackFault):
            raise ValueError(team.words) if team.refused else ConnectionError(team.words)
        return team.name

    def new_webhook_secret(self) -> str:
        """Return a new secret, “whsec_…”."""
        return new_secret()
