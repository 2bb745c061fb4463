"""The page on which an account with members in several workspaces chooses one. It needs no script."""

from collections.abc import Sequence
from html import escape

from starlette.responses import HTMLResponse

from resolvers.oidc_sign_in import MemberChoice
from rules.typeid import MEMBER, format_id
from server.http.plain_page import plain_page

_CHOICE = """<p>{email} belongs to several teams.</p><form method="post">{buttons}</form>"""
_BUTTON = '<button formaction="{address}">{name}</button>'


def choice_page(choices: Sequence[MemberChoice], address: str, email: str) -> HTMLResponse:
    """Return the page; each button posts to the member's id below `address`."""
    buttons = "".join(
        _BUTTON.format(
            address=escape(f"{address}/{format_id(MEMBER, choice.member_id)}"),
            name=escape(choice.workspace_name),
        )
        for choice in choices
        if choice.member_id is not None
    )
    content = _CHOICE.format(email=escape(email or "This account"), buttons=buttons)
    return plain_page("Choose a workspace", content)
