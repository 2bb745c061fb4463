"""Sealing: encryption of stored secrets that must be read again, such as a Slack token."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# The first byte of a sealed secret names the key derivation, the cipher and the format.
VERSION = b"\x01"

_KEY_LABEL = b"baton sealing 1"
_NONCE_BYTES = 12
_TAG_BYTES = 16


class UnreadableSecretError(Exception):
    """The stored secret was not sealed by this key for this purpose; the message is for the user."""

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be opened: it was sealed with another BATON_SECRET_KEY, or is damaged. "
            "Start Baton with the key that it was sealed with, or enter the secret again."
        )


class Seal:
    """A cipher for stored secrets, with a key derived from the server's secret.

    AES-256-GCM with a key from HKDF-SHA256. The purpose, such as “slack token of agent_…”, is associated
    data: a sealed secret cannot be opened for another purpose or moved to another row.
    """

    __slots__ = ("_cipher",)

    def __init__(self, secret: str) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_KEY_LABEL).derive(secret.encode())
        self._cipher = AESGCM(key)

    def seal(self, text: str, purpose: str) -> bytes:
        """Return `text` sealed: a version byte, a random nonce, and the ciphertext with its tag."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), _bound(purpose))

    def open(self, sealed: bytes, purpose: str) -> str:
        """Return the text that was sealed for `purpose`; raises UnreadableSecretError."""
        body = sealed.removeprefix(VERSION)
        if not sealed.startswith(VERSION) or len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise UnreadableSecretError
        nonce, ciphertext = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, ciphertext, _bound(purpose)).decode()
        except InvalidTag:
            raise UnreadableSecretError from None


def _bound(purpose: str) -> bytes:
    return VERSION + purpose.encode()
