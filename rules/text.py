"""What text Baton can keep and carry, whoever sends it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

CONTENT_LIMIT = 20_000
WORDS_LIMIT = 2_000
NAME_LIMIT = 200
KEY_LIMIT = 200
JSON_DEPTH_LIMIT = 32
JSON_TEXT_LIMIT = 32_768

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EMAIL = re.compile(r"[^\s@,;:<>()\[\]\\\"]+@[^\s@,;:<>()\[\]\\\".]+(\.[^\s@,;:<>()\[\]\\\".]+)*")
_EMAIL_LIMIT = 254
_INTEGERS = (-(2**63), 2**64 - 1)


def text_error(text: str, *, limit: int, blank: bool = False) -> str | None:
    """Why `text` cannot be taken, or None. `limit` is in characters; `blank` allows mere white space."""
    if _UNSTORABLE.search(text):
        return "holds a NUL or an unpaired surrogate, which text cannot keep; leave it out"
    if not blank and not text.strip():
        return "is empty; say something"
    if len(text) > limit:
        return f"has {len(text):,} characters; at most {limit:,} are taken"
    return None


def email_error(address: str) -> str | None:
    """Why `address` is not exactly one plain email address, or None."""
    if len(address) > _EMAIL_LIMIT or _UNSTORABLE.search(address) or not address.isprintable():
        return "is not an email address"
    if not _EMAIL.fullmatch(address):
        return "is not one plain email address, such as jane@example.com"
    return None


def fault_in_json(value: Any) -> str | None:
    """
    Why `value`, as a JSON decoder gives it, cannot be kept, or None.

    It is walked without recursion, level by level, so that no nesting can trip it.
    """
    level, size = [value], 0
    for _ in range(JSON_DEPTH_LIMIT):
        size += sum(len(part) if isinstance(part, str) else 1 for part in level)
        if size > JSON_TEXT_LIMIT:
            return f"is too large; at most {JSON_TEXT_LIMIT:,} characters and values are taken"
        if any(isinstance(part, str) and _UNSTORABLE.search(part) for part in level):
            return "holds a NUL or an unpaired surrogate, which text cannot keep; leave it out"
        if any(isinstance(part, int) and not _INTEGERS[0] <= part <= _INTEGERS[1] for part in level):
            return "holds an integer of more than 64 bits; write it as a string"
        if any(isinstance(part, float) and (part != part or abs(part) == float("inf")) for part in level):
            return "holds a number that JSON cannot write"
        level = [inner for part in level for inner in _parts(part)]
        if not level:
            return None
    return f"is nested too deep; at most {JSON_DEPTH_LIMIT} levels are taken"


def _parts(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()
