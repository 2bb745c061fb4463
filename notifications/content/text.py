"""Text that other people wrote, made safe to show without changing its characters."""

import re

_BREAK = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Without the lookbehind, a long run of spaces takes quadratic time.
_LINE_BREAK = re.compile("(?<![ \t])[ \t]*+\n\\s*+|\t+")
# Control characters and halves of characters, which no channel can show.
_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Openings of another writing direction, by the character that closes them.
_DIRECTIONS = {
    **dict.fromkeys("\u202a\u202b\u202d\u202e", "\u202c"),
    **dict.fromkeys("\u2066\u2067\u2068", "\u2069"),
}


def lines_of(text: str) -> str:
    """Return the text with \\n as its only line break, without control characters."""
    return _UNPRINTABLE.sub("", _BREAK.sub("\n", text))


def one_line(text: str, limit: int | None = None) -> str:
    """Return the text as one line, cut to `limit` characters.

    Other characters stay as they are. A writing direction that the text opens is closed at its end, so that
    the words that follow keep theirs.
    """
    line = _LINE_BREAK.sub(" ", lines_of(text)).strip()
    if limit is not None and len(line) > limit:
        line = f"{line[: limit - 1].rstrip()}…"
    return line + closing(line)


def closing(line: str) -> str:
    """Return the characters that close the writing directions that a line leaves open."""
    opened: list[str] = []
    for character in line:
        if character in _DIRECTIONS:
            opened.append(_DIRECTIONS[character])
        elif opened and character == opened[-1]:
            opened.pop()
    return "".join(reversed(opened))
