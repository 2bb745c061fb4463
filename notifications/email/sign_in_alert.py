"""The email to a member whose password someone has tried to guess."""

from dataclasses import dataclass
from datetime import datetime

from notifications.content.text import one_line
from notifications.email.layout import EmailPage, Fact, Section, render_within_limits, when
from notifications.email.mime import Envelope


@dataclass(frozen=True, slots=True)
class SignInAlert:
    """Failed attempts to sign in as a member. `address` is that of the last one, in the network."""

    id: str
    at: datetime
    workspace_name: str
    address: str
    link: str
    time_zone: str = "UTC"


def compose_sign_in_alert(alert: SignInAlert, *, sender: str, recipient: str) -> bytes:
    """Return the mail, with what to do. It holds nothing that the other person could have chosen."""
    workspace = one_line(alert.workspace_name, 200)
    section = Section(
        title=None,
        facts=[
            Fact("Email", recipient),
            Fact("Last attempt", when(alert.at, alert.time_zone)),
            Fact("From the address", one_line(alert.address, 100) or "unknown"),
        ],
        steps=[
            "If you mistyped your password, there is nothing to do.",
            "Otherwise, choose a password that you use nowhere else.",
            "End the sessions that you do not recognise.",
        ],
        link=alert.link,
        link_words="Open your profile",
    )
    page = EmailPage(
        subject="Failed attempts to sign in as you",
        lead=(
            f"Someone has repeatedly tried to sign in to {workspace} with your email and a wrong password. "
            "Further attempts from there are refused for some time. This mail is sent at most once a day."
        ),
        sections=[section],
        footer=f"You get this because {recipient} is a member of {workspace}.",
    )
    return render_within_limits(lambda _: page, Envelope(alert.id, alert.at, sender, recipient))
