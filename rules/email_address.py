"""The one validator of email addresses, and the form in which an address goes over the wire."""

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, EmailSyntaxError, ValidatedEmail, validate_email

ADDRESS_LIMIT = 254
DISPLAY_NAME_LIMIT = 100

# `admin@localhost` and names of one's own network are addresses: the mail server decides about them.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()

_NAMED = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<address>[^<>]*)>")


def email_address_error(text: str) -> str | None:
    """Return why `text` is not exactly one email address, or None.

    Everything that Baton writes mail to or stores as an address passes this check: members, recipients,
    customers and senders. Internationalised addresses (RFC 6531) and domains without a dot are valid.
    """
    if len(text) > ADDRESS_LIMIT:
        return f"is too long: an address has at most {ADDRESS_LIMIT} characters"
    return _error(text)


# The settings, and their recipients with them, are validated at every message.
@lru_cache(maxsize=4096)
def _error(text: str) -> str | None:
    if error := _form_error(text):
        return error
    try:
        wire = _wire(_validated(text))
    except EmailNotValidError as error:
        message = str(error).rstrip(".")
        return f"is not a valid email address: {message[:1].lower()}{message[1:]}"
    local, _, domain = wire.rpartition("@")
    if len(wire.encode()) > ADDRESS_LIMIT:
        return f"is too long: an address has at most {ADDRESS_LIMIT} characters"
    if domain.rpartition(".")[2].isdigit():
        return "names an IP address; write a domain after the @"
    # Programs that read the header decode an encoded word.
    if "=?" in local:
        return "has =? before the @, which mail programs read as an encoded word"
    return None


def wire_address(address: str) -> str:
    """Return the address for SMTP and for headers: its domain in ASCII, the rest composed (NFC).

    Only an internationalised address still has characters outside ASCII, all before the @. Raise ValueError
    if `address` is not one address.
    """
    return _wire(_validated(address))


def address_key(address: str) -> str:
    """Return the form in which addresses are compared: composed and without upper case."""
    return unicodedata.normalize("NFC", address).lower()


def has_domain(address: str, domains: Collection[str]) -> bool:
    """Return whether the address is in one of the domains, which are in lower case; “*” is every domain."""
    return "*" in domains or address_key(address).rpartition("@")[2] in domains


def named_address(text: str) -> tuple[str, str]:
    """Return the name and the address of a sender such as “Baton <baton@example.com>”.

    The name is empty for an address without one. Raise ValueError with words that follow the name of the
    setting. A sender is ASCII before the @, so that every mail server takes its mail.
    """
    named = _NAMED.fullmatch(text)
    name, address = (named["name"].strip(), named["address"]) if named else ("", text)
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1]
    if not name.isprintable() or len(name) > DISPLAY_NAME_LIMIT:
        raise ValueError(
            f"has a name that a header cannot hold: at most {DISPLAY_NAME_LIMIT} printable characters"
        )
    if error := email_address_error(address):
        raise ValueError(error)
    if not wire_address(address).isascii():
        raise ValueError("has letters outside ASCII before the @, which many mail servers refuse")
    return name, address


def _form_error(text: str) -> str | None:
    """Name the usual mistakes in words that help more than those of the library."""
    if not text.strip():
        return "is empty; write an address, such as jane@example.com"
    if "<" in text or ">" in text:
        return "holds more than the address: leave the name and the angle brackets out"
    if text.startswith('"') or '"@' in text:
        return "has quotes before the @, which many mail servers refuse"
    if "," in text or ";" in text or text.count("@") > 1:
        return "is not one address: write each address separately"
    if not text.isprintable() or any(character.isspace() for character in text):
        return "holds a space, a line break or an invisible character"
    if "@" not in text:
        return "has no @; write an address, such as jane@example.com"
    return None


def _validated(text: str) -> ValidatedEmail:
    return validate_email(
        text,
        check_deliverability=False,
        globally_deliverable=False,
        strict=True,
        allow_smtputf8=True,
        allow_quoted_local=False,
        allow_domain_literal=False,
        allow_display_name=False,
    )


def _wire(validated: ValidatedEmail) -> str:
    if not validated.ascii_domain:
        raise EmailSyntaxError("The part after the @-sign has no form in ASCII.")
    return f"{validated.local_part}@{validated.ascii_domain}"
