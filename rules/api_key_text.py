"""The text of an API key.

A key is `baton_sk_`, the id of the key as in `key_…`, an underscore, 43 characters of base64url with 256
random bits, and 8 hexadecimal digits with the CRC-32 of everything before. So programs that look for leaked
secrets recognise a key, and a mistyped one is refused before the database is asked. Keys of the first form
have neither id nor checksum.
"""

import re
import zlib
from uuid import UUID

from rules.typeid import API_KEY, format_id

START = "baton_sk_"
_FIRST_FORM = re.compile(rf"{START}[A-Za-z0-9_-]{{43}}")
_FORM = re.compile(rf"{START}[0-7][0-9a-hjkmnp-tv-z]{{25}}_[A-Za-z0-9_-]{{43}}[0-9a-f]{{8}}")
_CHECKSUM_DIGITS = 8


def api_key_prefix(key_id: UUID) -> str:
    """Return the start of a key, which names its id."""
    return START + format_id(API_KEY, key_id).removeprefix(f"{API_KEY}_")


def api_key_text(key_id: UUID, secret: str) -> str:
    """Return the key with this id and these 43 characters."""
    text = f"{api_key_prefix(key_id)}_{secret}"
    return text + _checksum(text)


def is_api_key_text(text: str) -> bool:
    """Return whether a text can be an API key: it has the form of one, and its checksum is right."""
    if _FIRST_FORM.fullmatch(text):
        return True
    end = len(text) - _CHECKSUM_DIGITS
    return _FORM.fullmatch(text) is not None and text[end:] == _checksum(text[:end])


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
