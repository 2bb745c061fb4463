"""The email that asks a new recipient to confirm the address. It holds no words of customers."""

from dataclasses import dataclass
from datetime import datetime

from notifications.content.text import one_line
from notifications.email.layout import EmailPage, Section, render_within_limits
from notifications.email.mime import Envelope


@dataclass(frozen=True, slots=True)
class ConfirmationRequest:
    """A request to confirm an address. `link` leads to the page that does it, for `days` days."""

    id: str
    at: datetime
    workspace_name: str
    agent_name: str
    link: str
    days: int


def compose_confirmation(request: ConfirmationRequest, *, sender: str, recipient: str) -> bytes:
    """Return the mail with the link."""
    workspace, agent = one_line(request.workspace_name, 200), one_line(request.agent_name, 200)
    section = Section(
        title=None,
        facts=[],
        steps=[
            "If you expect these notifications, open the page and confirm your address.",
            "Otherwise, do nothing: you get no notifications.",
        ],
        link=request.link,
        link_words="Confirm the address",
    )
    page = EmailPage(
        subject=one_line(f"Confirm your address for notifications of {agent}", 110),
        lead=(
            f"The team of {workspace} wants to send notifications of the AI agent {agent} to {recipient}. "
            f"They contain what customers write. The link is valid for {request.days} days."
        ),
        sections=[section],
        footer=f"You get this because {recipient} was entered as a recipient in {workspace}.",
    )
    return render_within_limits(lambda _: page, Envelope(request.id, request.at, sender, recipient))
