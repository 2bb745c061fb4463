"""
A webhook: one POST to an address that was vetted, signed by the Standard Webhooks scheme.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import io
import os
import re
import secrets as randomness
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from standardwebhooks import Webhook
from yarl import URL

from notifications.outcome import Outcome
from notifications.webhook.url_policy import (
    NotAllowedError,
    PinnedResolver,
    ResolvedUrl,
    UnresolvableHostError,
    resolve_and_check,
)

SECONDS = 15.0
ANSWER_BYTES = 65_536
LONGEST_WAIT = timedelta(days=1)

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_WHOLE_SECONDS = re.compile(r"[0-9]+")


def new_secret() -> str:
    """A secret to sign with, as it is shown to who receives: “whsec_” and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(randomness.token_bytes(32)).decode()


async def send(
    url: str,
    body: bytes,
    message_id: str,
    secrets: Sequence[str],
    *,
    allow_private: bool,
    at: datetime,
    seconds: float = SECONDS,
) -> Outcome:
    """
    One attempt. `body` is JSON, `message_id` the same at every attempt, `at` the aware time of this one.

    Every secret signs. Whatever the network does comes back as an Outcome, within `seconds`; nothing of the
    answer's words is in it. Raises ValueError for an id or a secret that is none.
    """
    headers = signed_headers(body, message_id, secrets, at)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(deadline):
            vetted = await resolve_and_check(url, allow_private)
        return await _post(vetted, body, headers, at, deadline)
    except UnresolvableHostError as error:
        return Outcome(False, f"the address {error}")
    except NotAllowedError as error:
        return Outcome(False, f"refused: the address {error}")
    except TimeoutError:
        return Outcome(False, f"timed out after {seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, _fault(error))


def signed_headers(body: bytes, message_id: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers of one attempt, with a signature for every secret. Raises ValueError as `send` does."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message's id is letters, digits, _ and -")
    if not secrets:
        raise ValueError("a webhook is signed")
    # The library takes the wall time of any zone for UTC.
    moment, text = at.astimezone(UTC), body.decode()
    return {
        "content-type": "application/json",
        "user-agent": "Baton",
        "accept": "*/*",
        "accept-encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(_webhook(secret).sign(message_id, moment, text) for secret in secrets),
    }


def _webhook(secret: str) -> Webhook:
    kind, prefix, key = secret.partition("whsec_")
    try:
        if kind or not prefix or not base64.b64decode(key, validate=True):
            raise ValueError
    except ValueError:
        raise ValueError("a webhook's secret is “whsec_” and base64") from None
    return Webhook(secret)


async def _post(
    vetted: ResolvedUrl, body: bytes, headers: Mapping[str, str], at: datetime, deadline: float
) -> Outcome:
    session = aiohttp.ClientSession(
        connector=_Connector(resolver=PinnedResolver(vetted), use_dns_cache=False, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=False,
        trust_env=False,
    )
    async with session:
        async with asyncio.timeout_at(deadline):
            answer = await session.post(
                URL(vetted.target.url, encoded=True),
                # In a file, or a body of over a megabyte warns that it might block the loop.
                data=io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
            )
        outcome = _outcome(answer, at)
        # The status has been said; the rest is read so that the other side can end its sentence.
        with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout_at(deadline):
                async for _ in answer.content.iter_any():
                    pass
        answer.close()
        return outcome


class _Answer(ResponseHandler):
    """An answer that ends after ANSWER_BYTES, whatever they are: aiohttp's own limits leave some out."""

    _left = ANSWER_BYTES

    def data_received(self, data: bytes) -> None:
        super().data_received(data[: max(self._left, 0)])
        self._left -= len(data)
        if self._left <= 0 and self.transport is not None:
            self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    """Connections whose answers are bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Answer, loop=self._loop))


def _outcome(answer: aiohttp.ClientResponse, at: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(True, str(status))
    words = f"{status}; redirects are not followed" if 300 <= status < 400 else str(status)
    wait = _wait(answer.headers.get("retry-after", ""), at)
    return Outcome(False, words, retry_after=wait, gone=status == 410)


def _wait(retry_after: str, now: datetime) -> timedelta | None:
    """How long the other side asks to wait, a day at most; None when it does not say, or says the past."""
    text = retry_after.strip()
    if _WHOLE_SECONDS.fullmatch(text):
        wait = timedelta(seconds=int(text)) if len(text) < 8 else LONGEST_WAIT
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(wait, LONGEST_WAIT) if wait > timedelta() else None


def _fault(error: Exception) -> str:
    # Never the error's own words: some hold what the other side sent.
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        why = f": {cause.verify_message}" if isinstance(cause, ssl.SSLCertVerificationError) else ""
        return f"its certificate is not valid{why}"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS could not be agreed on"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {os.strerror(error.errno)}" if error.errno else "no connection"
    if isinstance(error, OSError | aiohttp.ServerDisconnectedError):
        return "the connection was closed before an answer"
    return "the answer was not HTTP"
