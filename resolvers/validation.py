"""Checks of inputs: each raises BadInputError with the input's name."""

from typing import Any

from resolvers.errors import BadInputError
from rules.email_address import email_address_error
from rules.text import CONTENT_LIMIT, KEY_LIMIT, NAME_LIMIT, WORDS_LIMIT, json_error
from rules.text import text_error as _fault_in_text


def _refuse(field: str, fault: str | None) -> None:
    if fault:
        raise BadInputError(field, fault)


def check_content(field: str, text: str) -> str:
    """Validate the content of a message."""
    _refuse(field, _fault_in_text(text, limit=CONTENT_LIMIT))
    return text


def check_words(field: str, text: str) -> str:
    """Validate a reason or a note."""
    _refuse(field, _fault_in_text(text, limit=WORDS_LIMIT))
    return text


def check_name(field: str, text: str) -> str:
    """Validate a name."""
    _refuse(field, _fault_in_text(text, limit=NAME_LIMIT))
    return text


def check_key(field: str, text: str | None) -> str | None:
    """Validate an idempotency key or an external id."""
    if text is not None:
        _refuse(field, _fault_in_text(text, limit=KEY_LIMIT))
    return text


def check_email(field: str, address: str) -> str:
    """Exactly one plain email address."""
    _refuse(field, email_address_error(address))
    return address


def check_json(field: str, value: Any) -> Any:
    """Validate an object that can be stored as JSON."""
    if value is not None and not isinstance(value, dict):
        raise BadInputError(field, "is not a JSON object")
    _refuse(field, json_error(value))
    return value


def check_percent(field: str, value: float | None) -> float | None:
    """Validate a percentage from 0 to 100; NaN is refused."""
    if value is not None and not 0 <= value <= 100:
        raise BadInputError(field, "is not between 0 and 100 percent")
    return value


def check_intents(field: str, intents: list[str]) -> list[str]:
    """At most 50 names of intents."""
    if len(intents) > 50:
        raise BadInputError(field, "names more than 50 intents")
    return [check_name(f"{field}.{place}", intent) for place, intent in enumerate(intents)]
