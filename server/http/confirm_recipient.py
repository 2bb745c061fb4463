"""The page on which a recipient confirms an email address.

Mail programs and scanners follow the links of a mail, so opening the page changes nothing: its button does.
"""

from datetime import UTC, datetime
from html import escape

from starlette.requests import Request
from starlette.responses import Response

from realtime import recipients
from server.http.plain_page import plain_page
from server.http.state import http_state

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
        return plain_page("This link is not valid", _NOT_VALID, 404)
    target, workspace = recipient
    names = {"address": escape(target.key), "workspace": escape(workspace)}
    if target.confirmed_at:
        return plain_page("The address is confirmed", _CONFIRMED.format(**names))
    return plain_page("Confirm your address", _QUESTION.format(**names))
