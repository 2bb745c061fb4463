"""Sealed cookies for the steps of signing in: the pending sign-in, and the account that chooses."""

import secrets
import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from models.sealing import UnreadableSecretError
from rules.encoding import decode_base64url, encode_base64url
from server.http.cookies import delete_cookie, presented_cookie, set_cookie
from server.http.state import http_state

LIFETIME = timedelta(minutes=10)

_LONGEST_PATH = 1_000


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in at the provider that has begun. `path` is the dashboard's, to which it returns."""

    state: str
    nonce: str
    verifier: str
    path: str

    @classmethod
    def begin(cls, path: str) -> "PendingSignIn":
        """Return a new one, each of whose secrets has 256 random bits."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, dashboard_path(path))


def dashboard_path(path: str) -> str:
    """Return the path below the dashboard if it is one, otherwise that of its first page."""
    is_path = path.startswith("/") and path.isascii() and path.isprintable() and "#" not in path
    return path if is_path and len(path) <= _LONGEST_PATH else "/"


def keep(request: Request, response: Response, kind: str, values: Any) -> None:
    """Keep a dataclass in a sealed cookie of this kind, for ten minutes."""
    state = http_state(request)
    content = orjson.dumps({**asdict(values), "ends": time.time() + LIFETIME.total_seconds()}).decode()
    sealed = encode_base64url(state.services.seal.seal(content, _purpose(kind)))
    set_cookie(response, kind, sealed, LIFETIME, state.settings.url)


def kept(request: Request, kind: str) -> dict[str, Any] | None:
    """Return the values that `keep` kept, or None if there are none, or they are not valid any more."""
    state = http_state(request)
    try:
        sealed = decode_base64url(presented_cookie(request, kind, state.settings.url))
        values: dict[str, Any] = orjson.loads(state.services.seal.open(sealed, _purpose(kind)))
    except (ValueError, UnreadableSecretError):
        return None
    return values if values.pop("ends") > time.time() else None


def forget(request: Request, response: Response, kind: str) -> None:
    """Delete the cookie of this kind, and so the state of the sign-in in it."""
    delete_cookie(response, kind, http_state(request).settings.url)


def _purpose(kind: str) -> str:
    return f"{kind} of a sign-in"
