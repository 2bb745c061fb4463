"""Sealing: encryption of stored secrets that must be read again, such as a Slack token."""

import hashlib
import secrets
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# The first byte of a sealed secret names the key derivation, the cipher and the format.
VERSION = b"\x02"
# Without the id of the key.
_FIRST_VERSION = b"\x01"

KEY_ID_BYTES = 4
_KEY_LABEL = b"baton sealing 1"
_NONCE_BYTES = 12
_TAG_BYTES = 16


def key_id(secret: str) -> bytes:
    """Return the id of a secret key, which says nothing about the key."""
    return hashlib.sha256(b"baton key id\0" + secret.encode()).digest()[:KEY_ID_BYTES]


class UnreadableSecretError(Exception):
    """The stored secret was not sealed by this key for this purpose; the message is for the user."""

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be opened: it was sealed with another BATON_SECRET_KEY, or is damaged. "
            "Start Baton with the key that it was sealed with, or enter the secret again."
        )


class Seal:
    """A cipher for stored secrets, with keys derived from the server's secret keys, the newest first.

    AES-256-GCM with keys from HKDF-SHA256. The purpose, such as “slack token of agent_…”, is associated
    data: a sealed secret cannot be opened for another purpose or moved to another row.
    """

    __slots__ = ("_ciphers", "_newest")

    def __init__(self, *secret_keys: str) -> None:
        self._newest = key_id(secret_keys[0])
        self._ciphers = {key_id(secret): _cipher(secret) for secret in secret_keys}

    def seal(self, text: str, purpose: str) -> bytes:
        """Return `text` sealed with the newest key.

        That is a version byte, the key's id, a random nonce, and the ciphertext with its tag.
        """
        head, nonce = VERSION + self._newest, secrets.token_bytes(_NONCE_BYTES)
        cipher = self._ciphers[self._newest]
        return head + nonce + cipher.encrypt(nonce, text.encode(), head + purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> str:
        """Return the text that was sealed for `purpose`; raises UnreadableSecretError."""
        if sealed.startswith(VERSION):
            head = sealed[: len(VERSION) + KEY_ID_BYTES]
            keys = [self._ciphers.get(head[len(VERSION) :])]
        else:
            head, keys = _FIRST_VERSION, list(self._ciphers.values())
        body = sealed.removeprefix(head)
        if not sealed.startswith(head) or len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise UnreadableSecretError
        nonce, ciphertext = body[:_NONCE_BYTES], body[_NONCE_BYTES:]
        for cipher in filter(None, keys):
            with suppress(InvalidTag):
                return cipher.decrypt(nonce, ciphertext, head + purpose.encode()).decode()
        raise UnreadableSecretError

    def is_current(self, sealed: bytes) -> bool:
        """Return whether the secret was sealed with the newest key."""
        return sealed.startswith(VERSION + self._newest)


def _cipher(secret: str) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_KEY_LABEL).derive(secret.encode()))
