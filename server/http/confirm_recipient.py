"""The page on which a recipient confirms an email address.

Mail programs and scanners follow the links of a mail, so opening the page changes nothing: its button does.
"""

import secrets
from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from realtime import recipients
from server.http.state import http_state

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style nonce="{nonce}">
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1rem;
color: #1b1f24; background: #fff; overflow-wrap: anywhere }}
button {{ font: inherit; padding: .5rem 1rem; border: 0; border-radius: .375rem; color: #fff;
background: #1f5fbf; cursor: pointer }}
button:focus-visible {{ outline: 3px solid #8ab4f8; outline-offset: 2px }}
</style></head><body><main><h1>{title}</h1>{content}</main></body></html>
"""
_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_NOT_VALID = """<p>It may be older than seven days, or not complete. Ask the team to send a test email: that
sends a new link, at most once a day.</p>"""
_CONFIRMED = """<p>Notifications of {workspace} are sent to {address}. You can close this page.</p>"""
_QUESTION = """<p>The team of {workspace} wants to send notifications to {address}. They contain what
customers write. Confirm only if you expect them.</p>
<form method="post"><button>Confirm {address}</button></form>"""


async def confirm_recipient(request: Request) -> Response:
    """Show what the link confirms; a POST confirms it. A link that is not valid is 404."""
    services = http_state(request).services
    token = request.query_params.get("token", "")
    target_id = recipients.target_of_confirmation(services.seal, token, datetime.now(UTC))
    recipient = None
    if target_id is not None:
        if request.method == "POST":
            async with services.transactions.begin() as tx:
                await recipients.confirm_recipient(tx, target_id)
        async with services.database.autocommit_session() as session:
            recipient = await recipients.find_recipient(session, target_id)
    if recipient is None:
        return _page("This link is not valid", _NOT_VALID, 404)
    target, workspace = recipient
    names = {"address": escape(target.key), "workspace": escape(workspace)}
    if target.confirmed_at:
        return _page("The address is confirmed", _CONFIRMED.format(**names))
    return _page("Confirm your address", _QUESTION.format(**names))


def _page(title: str, content: str, status: int = 200) -> Response:
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.format(title=title, content=content, nonce=nonce)
    return HTMLResponse(page, status, {"Content-Security-Policy": _POLICY.format(nonce=nonce)})
