"""The page on which an account with members in several workspaces chooses one. It needs no script."""

import secrets
from collections.abc import Sequence
from html import escape

from starlette.responses import HTMLResponse

from resolvers.oidc_sign_in import MemberChoice
from rules.typeid import MEMBER, format_id

_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>Choose a workspace · Baton</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style nonce="{nonce}">
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 15vh auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }}
button {{ display: block; width: 100%; margin: .5rem 0; padding: .6rem; font: inherit; text-align: left; }}
</style></head><body><main><h1>Choose a workspace</h1>
<p>{email} belongs to several teams.</p>
<form method="post">{buttons}</form></main></body></html>
"""
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
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.format(nonce=nonce, email=escape(email or "This account"), buttons=buttons)
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY.format(nonce=nonce)})
