"""A mail server on loopback that keeps mails, and misbehaves on request."""

import asyncio
import socket
import ssl
import struct
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.baton_client import DEADLINE

HOST = "127.0.0.1"


class Fault(StrEnum):
    """Faults of the sink. Any other text is sent as its answer."""

    HANG = "hang"
    CLOSE = "close"
    RESET = "reset"
    # Only after the message: it is kept and accepted, and the connection is closed.
    ACCEPT_AND_CLOSE = "accept and close"


Stage = Literal["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "MESSAGE", "QUIT"]


@dataclass(frozen=True)
class Mail:
    """A message as it arrived: envelope, bytes, and how."""

    sender: str
    recipients: Sequence[str]
    raw: bytes
    encrypted: bool
    login: str | None
    hello: str

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=default)

    def text(self, kind: Literal["plain", "html"] = "plain") -> str:
        """Return the decoded text of one part."""
        part = self.message.get_body((kind,))
        assert part is not None
        content = part.get_content()
        assert isinstance(content, str)
        return content


class MailSink:
    """
    A mail server in its own thread: `with MailSink() as sink: … sink.url … sink.wait_for(1)`.

    `faults` says what happens at a stage instead of the right answer (an SMTP reply or a Fault); DATA is the
    command, BODY while the message would be read, MESSAGE when it is there. It may be changed while the sink
    runs. A sink with a `login` (user, password) takes mail only from it. `names` are its certificate's.
    """

    def __init__(
        self,
        *,
        tls: Literal["starttls", "tls"] | None = None,
        login: tuple[str, str] | None = None,
        names: Sequence[str] = (HOST, "localhost"),
        smtputf8: bool = True,
    ) -> None:
        self.login = login
        self.smtputf8 = smtputf8
        self.mails: list[Mail] = []
        self.faults: dict[Stage, str] = {}
        self.logins: list[tuple[str, str]] = []
        self.commands: list[str] = []
        self.port = 0
        self.tls = tls
        self.certificate, self._server_context = _certify(names)
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._live: set[_Session] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    @property
    def url(self) -> str:
        """Its address for BATON_SMTP_URL, without a user."""
        return f"{'smtps' if self.tls == 'tls' else 'smtp'}://{HOST}:{self.port}"

    @property
    def trusting(self) -> ssl.SSLContext:
        """Return a client's context that trusts only the sink's certificate."""
        return ssl.create_default_context(cadata=self.certificate.decode())

    @property
    def connections(self) -> int:
        """Return the number of open connections."""
        return len(self._live)

    def wait_for(self, count: int, seconds: float = DEADLINE) -> list[Mail]:
        """Wait for `count` mails and return all mails so far."""
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.mails) >= count, seconds)
            assert arrived, f"{len(self.mails)} of {count} mails arrived"
            return list(self.mails)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(DEADLINE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        implicit = self._server_context if self.tls == "tls" else None
        server = await self._loop.create_server(lambda: _Session(self, self._loop), HOST, 0, ssl=implicit)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        while self._live:
            for session in list(self._live):
                session.drop()
            await asyncio.sleep(0.001)

    def keep(self, mail: Mail) -> None:
        with self._changed:
            self.mails.append(mail)
            self._changed.notify_all()

    def admits(self, mechanism: str, user: bytes, password: bytes) -> bool:
        self.logins.append((user.decode(), password.decode()))
        return self.logins[-1] == self.login

    @property
    def offered(self) -> ssl.SSLContext | None:
        """Return the context of STARTTLS."""
        return self._server_context if self.tls == "starttls" else None


class _Session(SMTP):
    """One connection. What the library answers itself is overruled by the sink's faults."""

    def __init__(self, sink: MailSink, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _Keeper(sink),
            hostname="sink.test",
            loop=loop,
            tls_context=sink.offered,
            auth_callback=sink.admits,
            # The library does not count TLS from the start as TLS.
            auth_require_tls=sink.tls == "starttls",
            enable_SMTPUTF8=sink.smtputf8,
            auth_exclude_mechanism=() if sink.login else ("LOGIN", "PLAIN"),
        )
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink._live.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._sink._live.discard(self)
        super().connection_lost(error)

    def drop(self) -> None:
        if self.transport is not None:
            cast(asyncio.WriteTransport, self.transport).abort()

    async def _handle_client(self) -> None:
        await self._unless("CONNECT", super()._handle_client)

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802
        await self._unless("EHLO", super().smtp_EHLO, hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        await self._unless("STARTTLS", super().smtp_STARTTLS, arg)

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        await self._unless("AUTH", super().smtp_AUTH, arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        assert self.session is not None
        if self._sink.login and not self.session.authenticated:
            await self.push("530 5.7.0 Authentication required")
            return
        await self._unless("MAIL", super().smtp_MAIL, arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        await self._unless("RCPT", super().smtp_RCPT, arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        await self._unless("DATA", self._read, arg)

    async def _read(self, arg: str) -> None:
        fault = self._sink.faults.get("BODY")
        if fault is None:
            await super().smtp_DATA(arg)
            return
        await self.push("354 go on")
        cast(asyncio.Transport, self.transport).pause_reading()
        await self.misbehave(fault)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        await self._unless("QUIT", super().smtp_QUIT, arg)

    async def _unless(self, stage: Stage, well: Callable[..., Awaitable[Any]], *args: str | None) -> None:
        self._sink.commands.append(stage)
        fault = self._sink.faults.get(stage)
        if fault is None:
            await well(*args)
            return
        await self.misbehave(fault)
        await self.push(fault.encode())
        if stage == "CONNECT":
            cast(asyncio.Transport, self.transport).close()

    async def misbehave(self, fault: str) -> None:
        """Return if `fault` is an answer; otherwise run until the connection ends."""
        if fault not in list(Fault):
            return
        transport = cast(asyncio.WriteTransport, self.transport)
        if fault == Fault.RESET:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        elif fault == Fault.CLOSE:
            transport.close()
        try:
            await asyncio.Event().wait()
        finally:
            transport.close()


class _Keeper:
    """The library's handler of messages."""

    def __init__(self, sink: MailSink) -> None:
        self._sink = sink

    async def handle_DATA(self, server: _Session, session: Session, envelope: Envelope) -> bytes:  # noqa: N802
        fault = self._sink.faults.get("MESSAGE")
        if fault is not None and fault != Fault.ACCEPT_AND_CLOSE:
            await server.misbehave(fault)
            return fault.encode()
        self._sink.keep(
            Mail(
                sender=envelope.mail_from or "",
                recipients=list(envelope.rcpt_tos),
                raw=envelope.original_content or b"",
                encrypted=self._sink.tls == "tls" or session.ssl is not None,
                login=self._sink.logins[-1][0] if session.authenticated else None,
                hello=session.host_name or "",
            )
        )
        if fault == Fault.ACCEPT_AND_CLOSE:
            await server.push("250 2.0.0 OK kept, goodbye")
            await server.misbehave(Fault.CLOSE)
        return b"250 2.0.0 OK kept"


def _certify(names: Sequence[str]) -> tuple[bytes, ssl.SSLContext]:
    """Return a self-signed certificate for `names`, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        chain.write_bytes(pem + secret)
        context.load_cert_chain(chain)
    return pem, context


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
