"""Which texts are one address that a mail server can deliver to, and how it is written on the wire."""

import re

import idna

ADDRESS_LIMIT = 254
LOCAL_LIMIT = 64
DISPLAY_NAME_LIMIT = 100

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMED = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<address>[^<>]*)>")


def email_address_error(text: str, *, dotless: bool = False) -> str | None:
    """
    Why `text` is not exactly one deliverable address, or None. `dotless` lets a domain without a dot pass.

    What every mail server takes: a plain name of RFC 5321 (no quotes, ASCII), an @, a domain of RFC 1123.
    A domain in other letters is taken when IDNA 2008 can write it; `ascii_address` does.
    """
    if fault := _fault_in_form(text):
        return fault
    local, _, domain = text.rpartition("@")
    fault = _fault_in_local(local) or _fault_in_domain(domain, dotless)
    if not fault and len(ascii_address(text)) > ADDRESS_LIMIT:
        return f"is too long: an address has at most {ADDRESS_LIMIT} characters"
    return fault


def ascii_address(address: str) -> str:
    """The address as it goes over the wire, domain in ASCII. Raises ValueError when it has no such form."""
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{_ascii_domain(domain)}"


def named_address(text: str) -> tuple[str, str]:
    """
    Name and address of a sender: “Baton <baton@example.com>”, or an address alone, whose name is empty.

    Raises ValueError, with words that follow the name of what is set. The domain may lack a dot.
    """
    named = _NAMED.fullmatch(text)
    name, address = (named["name"].strip(), named["address"]) if named else ("", text)
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = name[1:-1]
    if not name.isprintable() or len(name) > DISPLAY_NAME_LIMIT:
        raise ValueError(
            f"has a name that cannot stand in a header: at most {DISPLAY_NAME_LIMIT} printable characters"
        )
    if fault := email_address_error(address, dotless=True):
        raise ValueError(fault)
    return name, address


def _fault_in_form(text: str) -> str | None:
    if not text.strip():
        return "is empty; write an address, such as jane@example.com"
    if len(text) > ADDRESS_LIMIT:
        return f"is too long: an address has at most {ADDRESS_LIMIT} characters"
    if "<" in text or ">" in text:
        return "holds more than the address: leave the name and the angle brackets out"
    if text.startswith('"') or '"@' in text:
        return "has quotes before the @, which many mail servers refuse"
    if "," in text or ";" in text or text.count("@") > 1:
        return "is not one address: write each recipient as one of its own"
    if not text.isprintable() or any(character.isspace() for character in text):
        return "holds a space, a line break or an invisible character"
    if "@" not in text:
        return "has no @; write an address, such as jane@example.com"
    return None


def _fault_in_local(local: str) -> str | None:
    if not local:
        return "has nothing before the @"
    if not local.isascii():
        return "has letters outside ASCII before the @, which many mail servers refuse"
    if len(local) > LOCAL_LIMIT:
        return f"has more than {LOCAL_LIMIT} characters before the @"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "has a dot too many before the @"
    # What looks like an encoded word is decoded by who reads the header.
    if not _LOCAL.fullmatch(local) or "=?" in local:
        return "has a character before the @ that no address has"
    return None


def _fault_in_domain(domain: str, dotless: bool) -> str | None:
    if not domain:
        return "has no domain after the @"
    if domain.startswith("["):
        return "names an IP address; write a domain after the @"
    try:
        name = _ascii_domain(domain)
    except ValueError:
        return "has a domain that does not exist in the internet's alphabet"
    if not _HOST.fullmatch(name):
        return "has something after the @ that is no domain"
    if "." not in name and not dotless:
        return "has a domain without a dot, which mail from outside cannot reach"
    if name.rpartition(".")[2].isdigit():
        return "names an IP address; write a domain after the @"
    return None


def _ascii_domain(domain: str) -> str:
    labels = domain.lower().split(".")
    if domain.isascii() and not any(label.startswith("xn--") for label in labels):
        return domain
    return idna.encode(domain, uts46=True).decode()
