"""Language tags (BCP 47), and the choice of a text by language."""

import re
from collections.abc import Collection

LANGUAGE_LIMIT = 35
_TAG = re.compile(r"[a-z]{2,8}(-[a-z0-9]{1,8})*", re.IGNORECASE)


def language_error(tag: str) -> str | None:
    """Return why `tag` is not a language tag, or None."""
    if len(tag) <= LANGUAGE_LIMIT and tag.isascii() and _TAG.fullmatch(tag):
        return None
    return "is not a BCP 47 language tag, such as de or pt-BR"


def page_language(written: str | None) -> str | None:
    """Return the language tag that a page or browser means, or None.

    Pages write `de_AT` for `de-AT`. A browser on Linux without a locale says `C` or `en-US@posix`.
    """
    locale = (written or "").partition("@")[0]
    tag = locale.partition(".")[0].strip().replace("_", "-")
    return None if language_error(tag) else tag


def best_language(language: str | None, available: Collection[str]) -> str | None:
    """Return the best of the `available` tags, which are in lower case, or None.

    Subtags are removed from the end until a tag matches (RFC 4647, lookup): pt-BR finds pt, pt does not find
    pt-br.
    """
    tag = (language or "").lower()
    while tag:
        if tag in available:
            return tag
        tag = tag.rpartition("-")[0]
    return None
