"""One POST to a checked URL, signed by the Standard Webhooks scheme.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import base64
import io
import re
import secrets as randomness
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

from notifications.network import network_error_text, no_answer_text, open_session
from notifications.outcome import Outcome
from notifications.webhook.url_policy import (
    NotAllowedError,
    PinnedResolver,
    ResolvedUrl,
    UnresolvableHostError,
    resolve_and_check,
)
from rules.backoff import MAX_RETRY_AFTER

SECONDS = 15.0
ANSWER_BYTES = 65_536

_CONTENT_TOO_LARGE = 413
_GONE = 410
_TOO_LARGE_ADVICE = "The endpoint finds the body too large: let it accept bodies of 16 MiB."

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_WHOLE_SECONDS = re.compile(r"[0-9]+")


def new_secret() -> str:
    """Return a new signing secret, in the form that the receiver needs: “whsec_” and 32 bytes in base64."""
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
    """Make one attempt within `seconds`, and return an Outcome without any text of the answer.

    `body` is JSON, `message_id` the same at every attempt, `at` the aware time of this one. Every secret
    signs. Raise ValueError for a malformed id or secret.
    """
    headers = signed_headers(body, message_id, secrets, at)
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        async with asyncio.timeout_at(deadline):
            resolved = await resolve_and_check(url, allow_private)
        return await _post(resolved, body, headers, at, deadline)
    except UnresolvableHostError as error:
        return Outcome(False, f"the URL {error}")
    except NotAllowedError as error:
        return Outcome(False, f"refused: the URL {error}")
    except TimeoutError:
        return Outcome(False, no_answer_text(seconds))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, network_error_text(error))


def signed_headers(body: bytes, message_id: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Return the headers of one attempt, signed with every secret. Raise ValueError as `send` does."""
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message's id has only letters, digits, _ and -")
    if not secrets:
        raise ValueError("a webhook needs a secret to sign with")
    # The library reads the wall time of any zone as UTC.
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
    resolved: ResolvedUrl, body: bytes, headers: Mapping[str, str], at: datetime, deadline: float
) -> Outcome:
    connector = _Connector(resolver=PinnedResolver(resolved), use_dns_cache=False, force_close=True)
    async with open_session(connector) as session:
        async with asyncio.timeout_at(deadline):
            answer = await session.post(
                URL(resolved.target.url, encoded=True),
                # In a file, or a body of over a megabyte warns that it might block the loop.
                data=io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
            )
        outcome = _outcome(answer, at)
        # The status is known. Drain the body so that the server can finish its response.
        with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout_at(deadline):
                async for _ in answer.content.iter_any():
                    pass
        answer.close()
        return outcome


class _Answer(ResponseHandler):
    """A response cut off after ANSWER_BYTES.

    aiohttp's own limits do not cover an endless header section.
    """

    _left = ANSWER_BYTES

    def data_received(self, data: bytes) -> None:
        head, end, rest = data[: max(self._left, 0)].partition(b"\r\n\r\n")
        super().data_received(head + end)
        # The parser would lose a head if what follows in the same data is no HTTP.
        if rest:
            super().data_received(rest)
        self._left -= len(data)
        if self._left <= 0 and self.transport is not None:
            self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    """A connector whose responses are bounded."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Answer, loop=self._loop))


def _outcome(answer: aiohttp.ClientResponse, at: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(True, str(status))
    words = f"{status}; redirects are not followed" if 300 <= status < 400 else str(status)
    wait = _wait(answer.headers.get("retry-after", ""), at)
    # The body is fixed: it is too large for this receiver at every attempt. Other refusals end when the
    # receiver is mended, such as 404 during a deployment.
    final = status in (_CONTENT_TOO_LARGE, _GONE)
    advice = _TOO_LARGE_ADVICE if status == _CONTENT_TOO_LARGE else None
    return Outcome(False, words, retry_after=wait, final=final, advice=advice, gone=status == _GONE)


def _wait(retry_after: str, now: datetime) -> timedelta | None:
    """Return the wait that the receiver asks for, a day at most; None without one, or for a past time."""
    text = retry_after.strip()
    if _WHOLE_SECONDS.fullmatch(text):
        wait = timedelta(seconds=int(text)) if len(text) < 8 else MAX_RETRY_AFTER
    else:
        try:
            until = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        wait = until.replace(tzinfo=until.tzinfo or UTC) - now
    return min(wait, MAX_RETRY_AFTER) if wait > timedelta() else None
