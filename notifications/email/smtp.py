"""Send one email to one recipient through the configured mail server, or keep it as a file."""

import asyncio
import base64
import os
import re
import socket
import ssl
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast
from urllib.parse import SplitResult, unquote, urlsplit

import aiosmtplib

from notifications.network import network_error_text, no_answer_text
from notifications.outcome import Outcome
from rules.email_address import email_address_error, named_address, wire_address

DEADLINE_SECONDS = 30.0
RESPONSE_LIMIT = 300

# The mail has been accepted: a server that does not answer QUIT is not waited for.
FAREWELL_SECONDS = 2.0
# The server wants a login or TLS first, or others (RFC 3207 and RFC 4954).
_LOGIN_NEEDED = frozenset({530, 534, 535, 538})
_SENDER_ADVICE = "The mail server refuses the sender: correct from= in BATON_SMTP_URL."
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]+:[0-9A-Fa-f:.]*")
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_EXAMPLE = "smtp://user:password@mail.example.com:587"
_ODD = f"has an odd host or port; write it as {_EXAMPLE}, user and password percent-encoded"

StartTls = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Smtp:
    """A mail server and the sender, made by `of`.

    `tls` is TLS from the first byte. `sender` is a name with an address: “Baton <baton@example.com>”.
    """

    host: str
    port: int
    tls: bool
    starttls: StartTls
    user: str | None
    password: str | None = field(repr=False)
    sender: str

    @classmethod
    def of(cls, url: str, *, machine: str | None = None) -> "Smtp":
        """Read smtp://[user:password@]host[:port][?starttls=auto|always|never&from=SENDER], or smtps://….

        Ports are 465 for smtps, 587 for smtp with a user, else 25. `auto` uses STARTTLS when it is offered.
        With a user it must be offered: only `never` sends a password in the clear. User, password and
        sender are percent-encoded. Without `from` the sender is the user, when that is an address, else
        baton@`machine`, by default this machine's own name.

        Raise ValueError, whose words hold nothing of the URL, because it has a password in it.
        """
        parts, port = _split(url)
        tls = parts.scheme == "smtps"
        options = _options(parts.query, tls)
        user, password = _login(parts)
        sender = options.get("from") or default_sender(machine or socket.gethostname(), user)
        return cls(
            host=parts.hostname or "",
            port=port or (465 if tls else 587 if user else 25),
            tls=tls,
            starttls=_starttls(options.get("starttls", "auto")),
            user=user,
            password=password,
            sender=_sender(sender),
        )


def default_sender(machine: str, user: str | None = None) -> str:
    """Return the default sender: the mail account, when its name is an address, else baton@`machine`."""
    if user and not email_address_error(user):
        return f"Baton <{user}>"
    address = f"baton@{machine}"
    return "Baton <baton@localhost>" if email_address_error(address) else f"Baton <{address}>"


async def send(
    smtp: Smtp,
    raw: bytes,
    recipient: str,
    *,
    seconds: float = DEADLINE_SECONDS,
    farewell_seconds: float = FAREWELL_SECONDS,
    context: ssl.SSLContext | None = None,
) -> Outcome:
    """Hand the message `raw` (RFC 5322, with CRLF) to the mail server for one recipient, within `seconds`.

    It succeeds when the server has accepted the message. Anything else is a failed Outcome with the reason,
    which is final if the server refused sender, recipient or message for good (5yz). A connection that
    breaks before the answer leaves open whether the message was accepted: sent again, it has the same
    Message-ID. `context` verifies certificates in place of the system's.
    """
    if fault := email_address_error(recipient):
        return Outcome(succeeded=False, response=f"the recipient {fault}", final=True)
    client = _Client(
        hostname=smtp.host,
        port=smtp.port,
        local_hostname=_domain(smtp),
        timeout=None,
        use_tls=smtp.tls,
        start_tls=False,
        tls_context=context,
    )
    try:
        async with asyncio.timeout(seconds):
            response = await _hand_over(client, smtp, raw, wire_address(recipient))
        await _quit(client, farewell_seconds)
    # A connection lost between two of the library's steps can end as any kind of exception.
    except Exception as error:
        words, final = _printable(_error_text(error, seconds), smtp), _is_final(error)
        advice = _SENDER_ADVICE if isinstance(error, aiosmtplib.SMTPSenderRefused) and final else None
        return Outcome(succeeded=False, response=words, final=final, advice=advice)
    finally:
        client.close()
    return Outcome(succeeded=True, response=_printable(f"{response.code} {response.message}", smtp))


async def keep(folder: Path, raw: bytes, name: str) -> Outcome:
    """Keep the message as `folder`/`name`.eml, whole or not at all; one of the same name is replaced."""
    path = folder / f"{re.sub('[^A-Za-z0-9_-]', '-', name)}.eml"
    try:
        await asyncio.to_thread(_write, path, raw)
    except OSError as error:
        return Outcome(succeeded=False, response=f"could not write a file: {error.strerror}")
    return Outcome(succeeded=True, response=f"kept as {path.name}")


class _NoSmtpUtf8Error(Exception):
    """The mail server does not accept internationalised addresses (SMTPUTF8)."""


class _Client(aiosmtplib.SMTP):
    """A client whose `close` drops the connection immediately, whatever is unsent or unread."""

    def close(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()
        super().close()


async def _hand_over(client: _Client, smtp: Smtp, raw: bytes, recipient: str) -> aiosmtplib.SMTPResponse:
    await client.connect()
    await _greet(client)
    if not smtp.tls and _must_encrypt(client, smtp):
        await client.starttls()
    if smtp.user is not None and smtp.password is not None:
        await client.login(smtp.user, smtp.password)
    international = not recipient.isascii()
    if international and not client.supports_extension("smtputf8"):
        raise _NoSmtpUtf8Error
    options = ["SMTPUTF8"] if international else None
    await client.mail(wire_address(named_address(smtp.sender)[1]), options=options)
    await client.rcpt(recipient, encoding="utf-8")
    return await client.data(raw)


async def _greet(client: _Client) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def _must_encrypt(client: _Client, smtp: Smtp) -> bool:
    """Return whether to use STARTTLS. Raise SMTPNotSupported if it is needed and not offered."""
    if smtp.starttls == "never":
        return False
    if client.supports_extension("starttls"):
        return True
    if smtp.starttls == "always":
        raise aiosmtplib.SMTPNotSupported("the server offers no STARTTLS")
    if smtp.user is not None:
        raise aiosmtplib.SMTPNotSupported(
            "the server offers no STARTTLS, and the password is not sent in the clear"
        )
    return False


async def _quit(client: _Client, seconds: float) -> None:
    # The message has been accepted: nothing that follows makes it a failure.
    with suppress(Exception):
        async with asyncio.timeout(seconds):
            await client.quit()


def _is_final(error: Exception) -> bool:
    """Return whether the same message would be refused again.

    Refusals of a connection, STARTTLS or a login are left out: they end when the settings are corrected. So
    are those of a mail that came without a login or TLS.
    """
    if isinstance(error, _NoSmtpUtf8Error):
        return True
    refusals = (
        aiosmtplib.SMTPSenderRefused,
        aiosmtplib.SMTPRecipientRefused,
        aiosmtplib.SMTPDataError,
    )
    return isinstance(error, refusals) and 500 <= error.code <= 599 and error.code not in _LOGIN_NEEDED


def _error_text(error: Exception, seconds: float) -> str:
    if isinstance(error, _NoSmtpUtf8Error):
        return "the mail server does not accept internationalised addresses (SMTPUTF8)"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return f"{error.code} {error.message}" if error.code > 0 else "the server does not speak SMTP"
    if isinstance(error, aiosmtplib.SMTPConnectError):
        return network_error_text(error.__cause__ or error, connecting=True)
    if isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, OSError):
        return error.message
    if isinstance(error, TimeoutError) and not isinstance(error, aiosmtplib.SMTPException):
        return no_answer_text(seconds)
    return network_error_text(error) if isinstance(error, OSError) else f"the connection broke: {error!r}"


def _printable(response: str, smtp: Smtp) -> str:
    """Return one line of printable text, shortened, without the credentials that some servers repeat."""
    if smtp.user and smtp.password:
        plain = f"\0{smtp.user}\0{smtp.password}"
        encoded = [base64.b64encode(text.encode()).decode() for text in (plain, smtp.password)]
        for secret in (*encoded, smtp.password):
            response = response.replace(secret, "…")
    words = "".join(letter if letter.isprintable() else " " for letter in response).split()
    line = " ".join(words)
    return line if len(line) <= RESPONSE_LIMIT else line[: RESPONSE_LIMIT - 1] + "…"


def _domain(smtp: Smtp) -> str:
    """Return the client's name for EHLO: a name that exists, unlike that of a container."""
    return wire_address(named_address(smtp.sender)[1]).rpartition("@")[2]


def _split(url: str) -> tuple[SplitResult, int | None]:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("holds a space or a character outside ASCII; percent-encode it")
    if _BROKEN_PERCENT.search(url):
        raise ValueError("has a % that encodes nothing; write it as %25")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_ODD) from None
    if parts.scheme not in ("smtp", "smtps"):
        raise ValueError(f"must begin with smtp:// or smtps://, such as {_EXAMPLE}")
    if not _HOST.fullmatch(parts.hostname or "") or port == 0:
        raise ValueError(_ODD)
    if parts.path not in ("", "/") or "#" in url:
        raise ValueError("has a / or # after the host; in user and password it is written %2F or %23")
    return parts, port


def _login(parts: SplitResult) -> tuple[str | None, str | None]:
    if "@" not in parts.netloc:
        return None, None
    user, password = _decoded(parts.username or ""), _decoded(parts.password or "")
    if not user or not password:
        raise ValueError("must have both user and password before the @, or neither")
    return user, password


def _options(query: str, tls: bool) -> dict[str, str]:
    options: dict[str, str] = {}
    for option in query.split("&") if query else []:
        # Not parse_qsl: it reads a plus sign, which addresses have, as a space.
        name, _, value = option.partition("=")
        if name not in ("from", "starttls") or name in options or not value:
            raise ValueError("has an unknown or repeated option; there are ?starttls= and ?from=")
        options[name] = _decoded(value)
    if tls and "starttls" in options:
        raise ValueError("has a starttls option, but smtps:// is encrypted from the start")
    return options


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has percent-encoded bytes that are not UTF-8") from None
    if not decoded.isprintable():
        raise ValueError("has a control character in the user, password or sender")
    return decoded


def _starttls(text: str) -> StartTls:
    if text not in ("auto", "always", "never"):
        raise ValueError("has a starttls option that is not auto, always or never")
    return cast(StartTls, text)


def _sender(sender: str) -> str:
    try:
        named_address(sender)
    except ValueError as error:
        raise ValueError(f"has a sender (?from=) that {error}") from None
    return sender


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(raw)
            file.close()
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise
