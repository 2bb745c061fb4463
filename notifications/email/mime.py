"""The form of an email: RFC 5322 headers and a multipart/alternative body, as bytes with SMTP's line ends.

The headers are not those of the standard library. Those parse their values: they decode encoded words, read
one address as two and let NUL through.
"""

import re
from binascii import b2a_qp
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime, quote
from hashlib import sha256

from rules.email_address import email_address_error, named_address, wire_address

_FOLD_AT = 76
_FOLD = "\r\n "
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=^_`{|}~ -]+")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender, recipient and time of a mail. `id` is the delivery's; mail programs show one `thread` together.

    Raise ValueError if sender or recipient is not one address.
    """

    id: str
    at: datetime
    sender: str
    recipient: str
    thread: str | None = None

    def __post_init__(self) -> None:
        named_address(self.sender)
        if error := email_address_error(self.recipient):
            raise ValueError(f"the recipient {error}")


def message_bytes(envelope: Envelope, subject: str, text: str, html: str) -> bytes:
    """Return the message, always the same bytes for the same input. `subject` is one printable line."""
    message_id = _message_id(envelope)
    # No body holds it: in quoted-printable an equals sign precedes a number or a line's end.
    boundary = f"=_{_digest(message_id, 32)}"
    lines = [
        *_headers(envelope, subject, message_id),
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
    ]
    parts = [_part(boundary, "plain", text), _part(boundary, "html", html)]
    # Only an internationalised recipient makes the headers UTF-8 (RFC 6532).
    head = "\r\n".join([*lines, "", ""]).encode()
    return head + b"".join(parts) + f"--{boundary}--\r\n".encode()


def _headers(envelope: Envelope, subject: str, message_id: str) -> Iterator[str]:
    yield f"From: {_sender(envelope.sender)}"
    yield f"To: {wire_address(envelope.recipient)}"
    yield f"Subject: {_unstructured(subject, 'Subject')}"
    yield f"Date: {format_datetime(envelope.at.astimezone(UTC))}"
    yield f"Message-ID: {message_id}"
    if envelope.thread is not None:
        thread = f"<{_thread(envelope.thread)}@{_domain(envelope)}>"
        yield f"In-Reply-To: {thread}"
        yield f"References: {thread}"
    yield "Auto-Submitted: auto-generated"
    yield "X-Auto-Response-Suppress: All"
    yield "MIME-Version: 1.0"


def _sender(sender: str) -> str:
    name, address = named_address(sender)
    if not name:
        return wire_address(address)
    if _PLAIN_NAME.fullmatch(name):
        shown = name
    else:
        shown = f'"{quote(name)}"' if _is_literal(name) else _unstructured(name, "From")
    # A long name fills its line.
    return f"{shown}{' ' if len(shown) + len(address) < _FOLD_AT - 10 else _FOLD}<{wire_address(address)}>"


def _is_literal(text: str) -> bool:
    """Return whether a header can hold the text as it is: ASCII, and not like an encoded word."""
    return text.isascii() and "=?" not in text


def _unstructured(text: str, header: str) -> str:
    # Text that a header cannot hold goes into encoded words, and is read unchanged.
    charset = "us-ascii" if _is_literal(text) else "utf-8"
    return Header(text, charset, maxlinelen=_FOLD_AT, header_name=header).encode(linesep="\r\n")


def _message_id(envelope: Envelope) -> str:
    recipient = _digest(wire_address(envelope.recipient).lower(), 16)
    return f"<{_atom(envelope.id)}.{recipient}@{_domain(envelope)}>"


def _thread(thread: str) -> str:
    return thread if thread == _atom(thread) else _digest(thread, 32)


def _atom(text: str) -> str:
    return re.sub("[^A-Za-z0-9._-]", "-", text)[:100]


def _domain(envelope: Envelope) -> str:
    return wire_address(named_address(envelope.sender)[1]).rpartition("@")[2].lower()


def _digest(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]


def _part(boundary: str, subtype: str, text: str) -> bytes:
    head = (
        f"--{boundary}\r\n"
        f"Content-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n"
        "\r\n"
    )
    lines = text.replace("\n", "\r\n").encode()
    return head.encode() + b2a_qp(lines, istext=True) + b"\r\n"
