"""Public ids: a prefix that names the type, and a UUIDv7 (https://github.com/jetify-com/typeid)."""

import re
from typing import Final
from uuid import UUID

from typeid.codecs import base32

WORKSPACE: Final = "ws"
AGENT: Final = "agt"
CONVERSATION: Final = "conv"
MESSAGE: Final = "msg"
ESCALATION: Final = "esc"
MEMBER: Final = "mem"
API_KEY: Final = "key"
NOTE: Final = "note"
WEBHOOK_ENDPOINT: Final = "whk"
DELIVERY: Final = "dlv"
SAVED_REPLY: Final = "rpl"
SESSION: Final = "ses"

_SUFFIX = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


class MalformedIdError(ValueError):
    """The text is not an id of the expected type; the message says why."""


def format_id(prefix: str, key: UUID) -> str:
    """Return the public id of a row."""
    return f"{prefix}_{base32.encode(key.bytes)}"


def parse_id(prefix: str, text: str) -> UUID:
    """Return the UUID of a public id; raises MalformedIdError for any other text."""
    own_prefix, separator, suffix = text.partition("_")
    if not separator or not _SUFFIX.fullmatch(suffix):
        raise MalformedIdError(f"is not an id; expected one that starts with “{prefix}_”")
    if own_prefix != prefix:
        raise MalformedIdError(f"is an id of another type; expected one that starts with “{prefix}_”")
    return UUID(bytes=bytes(base32.decode(suffix)))


def prefix_of(text: str) -> str:
    """Return the prefix of an id, which names its type."""
    return text.partition("_")[0]
