"""Checks of inputs: each raises BadInputError with the input's name."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from resolvers.errors import BadInputError
from rules.email_address import ADDRESS_LIMIT, email_address_error
from rules.language import language_error
from rules.text import (
    CONTENT_LIMIT,
    KEY_LIMIT,
    NAME_LIMIT,
    WORDS_LIMIT,
    json_error,
    text_error,
)

# Metadata under it comes from API keys only, so that the team and AI agents can rely on it.
_RESERVED_KEY = "team"


def _refuse(field: str, error: str | None) -> None:
    if error:
        raise BadInputError(field, error)


def check_content(field: str, text: str) -> str:
    """Check the content of a message."""
    _refuse(field, text_error(text, limit=CONTENT_LIMIT))
    return text


def check_words(field: str, text: str) -> str:
    """Check a reason or a note."""
    _refuse(field, text_error(text, limit=WORDS_LIMIT))
    return text


def check_name(field: str, text: str) -> str:
    """Check a name."""
    _refuse(field, text_error(text, limit=NAME_LIMIT))
    return text


def check_key(field: str, text: str | None) -> str | None:
    """Check an idempotency key, or an id of the caller's own."""
    if text is not None:
        _refuse(field, text_error(text, limit=KEY_LIMIT))
    return text


def check_email(field: str, address: str) -> str:
    """Check that there is exactly one plain email address."""
    _refuse(field, email_address_error(address))
    return address


def check_searched(field: str, text: str) -> None:
    """Check a text that rows are compared with. An empty one is allowed, and finds nothing."""
    _refuse(field, text_error(text, limit=ADDRESS_LIMIT, blank=True))


def check_object(field: str, value: Any) -> dict[str, Any] | None:
    """Check that a value is a JSON object, or None."""
    if value is None or isinstance(value, dict):
        return value
    raise BadInputError(field, "is not a JSON object")


def check_json(field: str, value: Any) -> dict[str, Any] | None:
    """Check that a value is a JSON object that can be stored, or None."""
    document = check_object(field, value)
    _refuse(field, json_error(document))
    return document


def check_not_reserved(field: str, metadata: Mapping[str, Any] | None) -> None:
    """Refuse metadata of a customer or a page with keys that the team trusts."""
    for key in metadata or ():
        if key.partition(".")[0] == _RESERVED_KEY:
            raise BadInputError(field, "has a key that is reserved to the team: “team”, or one from “team.”")


def check_language(field: str, tag: str | None) -> str | None:
    """Check a language tag, or None."""
    if tag is not None:
        _refuse(field, language_error(tag))
    return tag


def check_range(field: str, value: int, low: int, high: int) -> int:
    """Check that a number is from `low` to `high`, both included."""
    if not low <= value <= high:
        raise BadInputError(field, f"is {value:,}; it must be from {low:,} to {high:,}")
    return value


def check_percent(field: str, value: float | None) -> float | None:
    """Check a percentage from 0 to 100; NaN is refused."""
    if value is not None and not 0 <= value <= 100:
        raise BadInputError(field, "is not between 0 and 100 percent")
    return value


def check_not_probability(field: str, value: float | None) -> None:
    """Refuse a percentage above 0 and below 1: its caller almost certainly means a probability."""
    if value is not None and 0 < value < 1:
        raise BadInputError(
            field, f"is {value:g} %, which looks like a probability: send percent, or send it as probability"
        )


def probability_in_percent(field: str, value: float) -> float:
    """Return a probability from 0 to 1 in percent; NaN is refused."""
    if not 0 <= value <= 1:
        raise BadInputError(field, "is not between 0 and 1")
    # 0.07 * 100 is 7.000000000000001.
    return round(value * 100, 9)


def check_choices(field: str, chosen: Sequence[StrEnum] | None) -> None:
    """Refuse a list of enum values that is longer than the enum."""
    if chosen and len(chosen) > len(type(chosen[0])):
        raise BadInputError(field, f"has more than {len(type(chosen[0]))} values")


def check_intents(field: str, intents: list[str]) -> list[str]:
    """Check at most 50 names of intents."""
    if len(intents) > 50:
        raise BadInputError(field, f"has {len(intents):,} entries; at most 50 are allowed")
    return [check_name(f"{field}.{index}", intent) for index, intent in enumerate(intents)]
