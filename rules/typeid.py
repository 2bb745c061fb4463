"""Ids at the edge: a prefix that names the type, and a UUIDv7 (https://github.com/jetify-com/typeid)."""

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

_SUFFIX = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")


class MalformedIdError(ValueError):
    """The text is not an id of the type that is asked for; the message says why."""


def format_id(prefix: str, key: UUID) -> str:
    """The id as clients see it."""
    return f"{prefix}_{base32.encode(key.bytes)}"


def parse_id(prefix: str, text: str) -> UUID:
    """The key behind an id; raises MalformedIdError for another type's id and for what is none."""
    found, separator, suffix = text.partition("_")
    if not separator or not _SUFFIX.fullmatch(suffix):
        raise MalformedIdError(f"is not an id; expected one that starts with “{prefix}_”")
    if found != prefix:
        raise MalformedIdError(f"is an id of another type; expected one that starts with “{prefix}_”")
    return UUID(bytes=bytes(base32.decode(suffix)))


def prefix_of(text: str) -> str:
    """The prefix of an id, by which `node` finds its type."""
    return text.partition("_")[0]
