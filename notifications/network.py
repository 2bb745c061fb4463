"""Network errors of every channel in words, and HTTP sessions that keep to themselves."""

import os
import socket
import ssl

import aiohttp


def open_session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """Return an HTTP session without proxies of the environment, cookies, timeouts and decompression."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=False,
        trust_env=False,
    )


def no_answer_text(seconds: float) -> str:
    """Return the words for a receiver that did not answer in time."""
    return f"no answer within {seconds:g} s"


def network_error_text(error: BaseException, *, connecting: bool = False) -> str:
    """Return what happened on the network, in words without anything that was sent or received.

    `connecting`: the error came before there was a connection. The words of the error itself are not used:
    some errors quote the message or the answer.
    """
    cause = _certificate_error(error)
    if cause is not None:
        detail = f": {cause.verify_message}" if isinstance(cause, ssl.SSLCertVerificationError) else ""
        return f"no connection: the certificate is not valid{detail}"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "no connection: TLS could not be agreed on"
    if isinstance(error, aiohttp.ClientConnectorDNSError | socket.gaierror):
        return "no connection: the name of the server was not found"
    if connecting or isinstance(error, aiohttp.ClientConnectorError):
        number = getattr(error, "errno", None) or 0
        return f"no connection: {os.strerror(number)}" if number > 0 else "no connection"
    if isinstance(error, OSError | EOFError | aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return "the connection broke before the answer was complete"
    return "the answer was not HTTP"


def _certificate_error(error: BaseException) -> BaseException | None:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error if isinstance(error, ssl.SSLCertVerificationError) else None
