"""
A small OpenID provider on loopback: discovery, authorization, tokens signed with RS256, keys and UserInfo.

It refuses what a real one refuses: another client, a used code, a wrong redirect URI or PKCE verifier.
A test changes its account by `claims`, its metadata by `metadata`, and its answers by `ways`.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "baton"
CLIENT_SECRET = "a secret of the client: 100 % of it/+"

Claims = dict[str, Any]


@cache
def provider_key() -> RSAKey:
    """Return the key of the provider; making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


def signed_with(key: RSAKey, claims: Claims) -> str:
    """Return an ID token, as the provider signs it."""
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def public_key() -> bytes:
    """Return the public key of the provider, in PEM."""
    return provider_key().as_pem(private=False)


@dataclass
class FakeProvider:
    """The provider's outside. `issued` has the authorization requests of all codes."""

    issuer: str = ""
    claims: Claims = field(default_factory=dict)
    user_info: Claims | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=provider_key)
    signed: Callable[[Claims], str] | None = None
    ways: dict[str, str] = field(default_factory=dict)
    issued: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Forget what tests have changed."""
        self.claims, self.user_info, self.metadata, self.ways = {}, None, {}, {}
        self.key, self.signed = provider_key(), None
        self.requests.clear()

    def signs_in(self, subject: str, email: str, **claims: Any) -> None:
        """Set the account of the next sign-ins."""
        self.claims = {
            "sub": subject,
            "email": email,
            "email_verified": True,
            "name": "Pat Provider",
            **claims,
        }

    def code_for(self, request: dict[str, str]) -> str:
        code = secrets.token_urlsafe(16)
        self.issued[code] = request
        return code

    def callback_of(self, location: str) -> str:
        """Return the address to which the provider sends a browser that comes with a Location of Baton."""
        asked = dict(parse_qsl(urlsplit(location).query))
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT_ID)
        assert asked["code_challenge_method"] == "S256"
        answer = {"code": self.code_for(asked), "state": asked["state"], "iss": self.issuer}
        return f"{asked['redirect_uri']}?{urlencode(answer)}"

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.signed:
            return self.signed(claims)
        return signed_with(self.key, claims)

    def tokens(self, authorization: str, body: str) -> tuple[int, dict[str, Any]]:
        """Return the answer of the token endpoint."""
        form = {name: values[0] for name, values in parse_qs(body).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        if authorization != f"Basic {basic}" and not posted:
            return 401, {"error": "invalid_client"}
        asked = self.issued.pop(form.get("code", ""), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        id_token = self.id_token(asked["nonce"])
        return 200, {"access_token": "an access token", "token_type": "Bearer", "id_token": id_token}

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            **self.metadata,
        }

    @contextmanager
    def running(self) -> Iterator["FakeProvider"]:
        """Serve in a thread for the duration of the block."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            self.issuer = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self.ended.set()
                server.shutdown()
                thread.join()


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self._redirect(provider.callback_of(self.path))
                return
            answers: dict[str, Callable[[], Any]] = {
                "/.well-known/openid-configuration": provider.discovery,
                "/keys": lambda: {"keys": [provider.key.as_dict(private=False)]},
                "/userinfo": lambda: provider.user_info or {"sub": provider.claims.get("sub")},
            }
            self._answer(parts.path, lambda: (200, answers[parts.path]()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer(self.path, lambda: provider.tokens(self.headers.get("authorization", ""), body))

        def _redirect(self, location: str) -> None:
            self.send_response(302)
            self.send_header("location", location)
            self.send_header("content-length", "0")
            self.end_headers()

        def _answer(self, path: str, answer: Callable[[], tuple[int, Any]]) -> None:
            provider.requests.append(path)
            way = provider.ways.get(path)
            if way == "hang":
                provider.ended.wait(60)
                return
            status, content = answer()
            body = b"[" + b" " * 1_000_000 if way == "long" else json.dumps(content).encode()
            if way == "text":
                body = b"<html>"
            self.send_response(500 if way == "broken" else status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
            """Log nothing."""

    return Handler
