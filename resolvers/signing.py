"""Signatures of what Baton issues and does not store."""

import hashlib
import hmac
from collections.abc import Sequence

from models.sealing import KEY_ID_BYTES, key_id

_SIGNATURE_BYTES = 32


class SigningKeys:
    """The keys for one purpose, each derived from one of the server's secrets, the newest secret first.

    What is signed begins with the id of its secret and ends with its HMAC-SHA256.
    """

    __slots__ = ("_keys", "_newest")

    def __init__(self, purpose: str, secrets: Sequence[str]) -> None:
        self._newest = key_id(secrets[0])
        self._keys = {
            key_id(secret): hashlib.sha256(f"baton {purpose}\0{secret}".encode()).digest()
            for secret in secrets
        }

    def sign(self, body: bytes) -> bytes:
        """Return `body`, signed with the newest key."""
        content = self._newest + body
        return content + hmac.digest(self._keys[self._newest], content, "sha256")

    def open(self, signed: bytes) -> bytes | None:
        """Return the body of what was signed with one of the keys, or None."""
        key = self._keys.get(signed[:KEY_ID_BYTES])
        content, signature = signed[:-_SIGNATURE_BYTES], signed[-_SIGNATURE_BYTES:]
        if key is None or not hmac.compare_digest(signature, hmac.digest(key, content, "sha256")):
            return None
        return content[KEY_ID_BYTES:]
