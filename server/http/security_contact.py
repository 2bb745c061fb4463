"""`/.well-known/security.txt` (RFC 9116): the address for reports of security faults."""

from datetime import UTC, datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from server.http.state import http_state

# RFC 9116 recommends less than a year. The time moves on with each day that the operator keeps the setting.
VALIDITY = timedelta(days=180)


async def security_txt(request: Request) -> Response:
    """Return the contact, if BATON_SECURITY_CONTACT is set."""
    settings = http_state(request).settings
    if not settings.security_contact:
        raise HTTPException(404)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = [f"Contact: {settings.security_contact}", f"Expires: {(today + VALIDITY):%Y-%m-%dT%H:%M:%SZ}"]
    if settings.public_url:
        lines.append(f"Canonical: {settings.url}/.well-known/security.txt")
    return PlainTextResponse("\n".join([*lines, "Preferred-Languages: en", ""]))
