"""The security headers of every answer, by one table of routes.

A route without a line in `POLICIES` stops the start. A response keeps what it sets itself, such as a content
security policy with a nonce.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.routing import BaseRoute, Route
from starlette.types import Message, Scope

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HSTS = "max-age=31536000"  # one year
_PERMISSIONS = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), "
    "microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=()"
)
_COMMON = {
    "x-content-type-options": "nosniff",
    "permissions-policy": _PERMISSIONS,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The headers of a route's answers, where the answer does not set them itself."""

    content_security: str = _NOTHING
    referrer: str = "no-referrer"
    # An answer with a token or personal data is kept by no cache. All answers are, unless they say otherwise.
    caching: str = "no-store"
    resources: str = "same-origin"

    def headers(self, *, is_https: bool) -> list[tuple[bytes, bytes]]:
        """Return the headers as ASGI takes them."""
        named = _COMMON | {
            "content-security-policy": self.content_security,
            "referrer-policy": self.referrer,
            "cache-control": self.caching,
            "cross-origin-resource-policy": self.resources,
        }
        if is_https:
            named["strict-transport-security"] = _HSTS
        return [(name.encode(), value.encode()) for name, value in named.items()]


DATA = Policy()
# A page fills in its own policy with a nonce. This one is that of its other answers, such as a missing file.
PAGE = Policy(referrer="same-origin", caching="no-cache")
# For pages of every site. The widget has no frame: its script runs in the page, so nothing here is framed.
WIDGET_FILE = Policy(resources="cross-origin")
SIGN_IN_STEP = Policy(referrer="same-origin")
PUBLIC_TEXT = Policy(caching="public, max-age=3600", resources="cross-origin")

POLICIES: Mapping[str, Policy] = {
    "/graphql": DATA,
    "/widget.js": WIDGET_FILE,
    "/widget.mjs": WIDGET_FILE,
    "/widget.d.mts": WIDGET_FILE,
    "/widget/{name}": WIDGET_FILE,
    "/widget/{version}/{name}": WIDGET_FILE,
    "/": PAGE,
    "/app": PAGE,
    "/app/": PAGE,
    "/app/assets/{path:path}": PAGE,
    "/app/{path:path}": PAGE,
    "/graphql/assets/{path:path}": PAGE,
    "/healthz": DATA,
    "/readyz": DATA,
    "/metrics": DATA,
    "/.well-known/security.txt": PUBLIC_TEXT,
    "/confirm-recipient": DATA,
    "/conversations/{conversationId}/escalate": DATA,
    "/escalations/{escalationId}": DATA,
    "/escalations": DATA,
    "/hooks/{token}/escalate": DATA,
    "/exports/escalations.csv": DATA,
    "/exports/analytics.csv": DATA,
    "/exports/customer.jsonl": DATA,
    "/exports/audit.csv": DATA,
    "/openapi.json": DATA,
    # Their pages post to the service: without a referrer their origin would be “null”.
    "/sign-in/oidc": SIGN_IN_STEP,
    "/sign-in/oidc/callback": SIGN_IN_STEP,
    "/sign-in/oidc/members/{memberId}": SIGN_IN_STEP,
    "/favicon.ico": PUBLIC_TEXT,
    "/demo/shop": PAGE,
}
# For addresses that no route has, and for refused host names.
NO_ROUTE = DATA


class MissingPolicyError(Exception):
    """A route has no line in the table of headers."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} has no line in POLICIES of server/http/response_headers.py.")


class ResponseHeaders:
    """Adds the headers of the route that answers to each response of an application."""

    def __init__(self, routes: Iterable[BaseRoute], *, is_https: bool) -> None:
        paths = [path_of(route) for route in routes]
        if missing := [path for path in paths if path not in POLICIES]:
            raise MissingPolicyError(missing[0])
        self._is_https = is_https
        self._lines = {path: _both(POLICIES[path]) for path in paths}
        self._other = _both(NO_ROUTE)

    def add_to(self, start: Message, scope: Scope) -> None:
        """Add the headers to the start of the response to the request of `scope`."""
        route = scope.get("route")
        lines = self._lines.get(path_of(route), self._other) if route else self._other
        given = [(name.lower(), value) for name, value in start.get("headers", ())]
        names = {name for name, _ in given}
        is_https = self._is_https or scope.get("scheme") == "https"
        added = [line for line in lines[is_https] if line[0] not in names]
        # Only a success may be kept by caches: an error of a moment would be shown for hours.
        if start["status"] >= HTTPStatus.BAD_REQUEST:
            given = [line for line in given if line[0] != b"cache-control"]
            added = [line for line in added if line[0] != b"cache-control"]
            added.append((b"cache-control", b"no-store"))
        start["headers"] = given + added


def path_of(route: Any) -> str:
    """Return the path pattern of a route."""
    return route.path if isinstance(route, Route) else repr(route)


def _both(policy: Policy) -> dict[bool, list[tuple[bytes, bytes]]]:
    return {is_https: policy.headers(is_https=is_https) for is_https in (False, True)}
