"""The comparison of words in SQL: texts that look alike are equal, in upper or lower case."""

from typing import Any

from sqlalchemy import ColumnElement, func, literal_column

_NFKC: ColumnElement[str] = literal_column("NFKC")


def folded(text: Any) -> ColumnElement[str]:
    """Return the SQL of the form in which words are compared: NFKC, in lower case.

    `rules.text.normalize` is its counterpart in Python. Both sides of a comparison must have it.
    """
    return func.lower(func.normalize(text, _NFKC))
