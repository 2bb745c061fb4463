"""The rules of every text and JSON value that Baton stores."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

CONTENT_LIMIT = 20_000
WORDS_LIMIT = 2_000
NAME_LIMIT = 200
KEY_LIMIT = 200
JSON_DEPTH_LIMIT = 32
JSON_TEXT_LIMIT = 32_768

# White space, line and paragraph separators, control and format characters.
_INVISIBLE = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
# Letters and marks that show nothing: Default_Ignorable_Code_Point of Unicode 15, and the blank Braille.
_BLANK_LETTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Integers beyond are read as floats, which are rounded.
_LEAST, _MOST = -(2**63), 2**64 - 1


def text_error(text: str, *, limit: int, blank: bool = False) -> str | None:
    """Return why `text` is refused, or None. `limit` is in characters; `blank` allows an empty text."""
    if _UNSTORABLE.search(text):
        return "holds a NUL or an unpaired surrogate, which text cannot keep; leave it out"
    if not blank and is_blank(text):
        return "is empty"
    if len(text) > limit:
        return f"has {len(text):,} characters; at most {limit:,} are allowed"
    return None


def is_blank(text: str) -> bool:
    """Return whether a text shows nothing.

    White space, control and format characters and the invisible letters of Unicode show nothing.
    """
    return all(map(_is_invisible, text))


def has_invisible(text: str) -> bool:
    """Return whether a text holds a character that shows nothing, such as white space."""
    return any(map(_is_invisible, text))


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE or char in _BLANK_LETTERS


def normalize(text: str) -> str:
    """Return the form in which words are compared: NFKC, case folded. Texts that look alike are equal."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def json_error(value: Any) -> str | None:
    """Return why a decoded JSON `value` cannot be stored, or None.

    It is walked level by level without recursion, so deep nesting cannot overflow the stack.
    """
    level, size = [value], 0
    for _ in range(JSON_DEPTH_LIMIT):
        size += sum(len(part) if isinstance(part, str) else 1 for part in level)
        if size > JSON_TEXT_LIMIT:
            return f"is too large; at most {JSON_TEXT_LIMIT:,} characters and values are allowed"
        if any(isinstance(part, str) and _UNSTORABLE.search(part) for part in level):
            return "holds a NUL or an unpaired surrogate, which text cannot keep; leave it out"
        if any(isinstance(part, int | float) and not _LEAST <= part <= _MOST for part in level):
            return "holds a number of more than 64 bits, or none; write it as a string"
        level = [inner for part in level for inner in _parts(part)]
        if not level:
            return None
    return f"is nested too deep; at most {JSON_DEPTH_LIMIT} levels are allowed"


def _parts(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple) else ()
