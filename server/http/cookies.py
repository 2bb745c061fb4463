"""The cookies that Baton sets: the session, proof of an earlier sign-in, and the steps of a sign-in."""

from datetime import timedelta

from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.http.request_headers import headers_by_name

SESSION, DEVICE = "session", "device"
SIGN_IN, ACCOUNT = "sign_in", "account"


def cookie_name(kind: str, public_url: str) -> str:
    """Return the name of a cookie. On https no other host and no plain connection can set it (`__Host-`)."""
    return f"__Host-baton_{kind}" if _is_secure(public_url) else f"baton_{kind}"


def presented_cookie(connection: HTTPConnection, kind: str, public_url: str) -> str:
    """Return the cookie that a browser presents, or an empty text."""
    if b"cookie" not in headers_by_name(connection.scope):
        return ""
    return connection.cookies.get(cookie_name(kind, public_url), "")


def set_cookie(response: Response, kind: str, value: str, lifetime: timedelta, public_url: str) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send."""
    response.set_cookie(
        cookie_name(kind, public_url),
        value,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=_is_secure(public_url),
    )


def delete_cookie(response: Response, kind: str, public_url: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(
        cookie_name(kind, public_url), httponly=True, samesite="lax", secure=_is_secure(public_url)
    )


def _is_secure(public_url: str) -> bool:
    return public_url.startswith("https://")
