"""What the notifications work with for the whole life of a process."""

from dataclasses import dataclass
from pathlib import Path

from models.database import Database
from models.sealing import Seal
from notifications.email.smtp import Smtp
from notifications.slack.api import SlackFault, verify_token
from notifications.webhook.send import new_secret
from notifications.webhook.url_policy import NotAllowedError, resolve_and_check
from realtime.transaction import Transactions


@dataclass(frozen=True, slots=True)
class NotificationServices:
    """
    `url` is where people reach Baton. Without `smtp` mails are kept in `mail_folder`, if there is one.

    `allow_private`: webhooks may go to addresses inside one's own network.
    """

    database: Database
    transactions: Transactions
    seal: Seal
    url: str
    slack_api_url: str
    smtp: Smtp | None = None
    mail_folder: Path | None = None
    allow_private: bool = False

    @property
    def email_connected(self) -> bool:
        """Whether there is a mail server to send by."""
        return self.smtp is not None

    @property
    def sends_email(self) -> bool:
        """Whether mails go anywhere."""
        return self.smtp is not None or self.mail_folder is not None

    async def url_error(self, url: str) -> str | None:
        """Why events may not be posted to the URL, in words for the user; None when they may."""
        try:
            await resolve_and_check(url, self.allow_private)
        except NotAllowedError as error:
            return str(error)
        return None

    async def slack_team(self, token: str) -> str:
        """
        The Slack workspace that a bot token is for.

        Raises ValueError for a token that is no good, ConnectionError when Slack cannot be asked, both in
        words for the user.
        """
        found = await verify_token(token, self.slack_api_url)
        if isinstance(found, SlackFault):
            raise ValueError(found.words) if found.refused else ConnectionError(found.words)
        return found.name

    def new_webhook_secret(self) -> str:
        """A fresh secret, “whsec_…”."""
        return new_secret()
