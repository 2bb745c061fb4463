"""Identities of customers, signed as the back end of an integrator does."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any


def sign_identity(secret: str, agent_id: str, subject: str, **claims: Any) -> str:
    """Return a JSON Web Token for a customer, HS256 with the agent's identity secret."""
    payload = {"sub": subject, "aud": agent_id, "exp": int(time.time()) + 3600, **claims}
    body = f"{_part(json.dumps({'alg': 'HS256'}).encode())}.{_part(json.dumps(payload).encode())}"
    return f"{body}.{_part(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())}"


def _part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
