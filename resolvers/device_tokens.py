"""Device tokens: proof that a browser was signed in before.

A browser keeps them in a cookie. They open nothing: an attempt to sign in that presents one is counted for
this browser only, so that the failures of strangers lock no member out of a browser of their own. See
“device cookies” of OWASP.
"""

import secrets
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from resolvers.signing import SigningKeys
from rules.encoding import decode_base64url, encode_base64url

DEVICE_LIFETIME = timedelta(days=365)
# People who share a browser.
_MEMBERS = 5
_SEPARATOR = "~"
_NONCE_BYTES = 12
_FORM = struct.Struct(f">16sQ{_NONCE_BYTES}s")


class DeviceTokens:
    """Signs and reads device tokens, which are not stored."""

    def __init__(self, *secret_keys: str) -> None:
        self._keys = SigningKeys("device token", secret_keys)

    def issue(self, member_id: UUID, presented: str, now: datetime) -> str:
        """Return the cookie of a browser in which the member has signed in, with those of other members."""
        ends = int((now + DEVICE_LIFETIME).timestamp())
        body = _FORM.pack(member_id.bytes, ends, secrets.token_bytes(_NONCE_BYTES))
        others = [token for token, other, _ in self._valid(presented) if other != member_id]
        return _SEPARATOR.join([encode_base64url(self._keys.sign(body)), *others[: _MEMBERS - 1]])

    def read(self, presented: str) -> dict[UUID, str]:
        """Return the ids of the device by member: none for a cookie that was not issued here."""
        return {member_id: device for _, member_id, device in self._valid(presented)}

    def _valid(self, presented: str) -> Iterator[tuple[str, UUID, str]]:
        for token in presented.split(_SEPARATOR, _MEMBERS)[:_MEMBERS]:
            try:
                signed = decode_base64url(token)
            except ValueError:
                continue
            body = self._keys.open(signed)
            if body is None:
                continue
            member_bytes, ends, nonce = _FORM.unpack(body)
            if ends > datetime.now(UTC).timestamp():
                yield token, UUID(bytes=member_bytes), nonce.hex()
