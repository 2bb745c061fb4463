"""Slack's Web API with a bot's token: proving the token, and sending a message that was composed."""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from notifications.content.snapshots import Outcome
from rules.backoff import MAX_RETRY_AFTER
from rules.slack_format import token_error

SLACK_API_URL = "https://slack.com/api/"
SECONDS = 15.0
# Slack answers with the message as it took it, some tens of kilobytes at most.
ANSWER_BYTES = 1_048_576

_NEEDED_SCOPE = "chat:write"
_WHOLE_SECONDS = re.compile(r"[0-9]{1,9}")
_ERROR_NAME = re.compile(r"[a-z][a-z0-9_]{0,80}")
_REFUSALS = {
    "invalid_auth": "Slack does not know this token; copy the bot's token of the app anew",
    "account_inactive": "the app was removed from its Slack workspace; install it there again",
    "token_revoked": "this token was revoked; install the app again and copy its new token",
    "token_expired": "this token has expired; switch token rotation off and copy the new token",
    "missing_scope": f"the app lacks the bot scope {_NEEDED_SCOPE}; add it and install the app again",
}
# Slack's own trouble, which says nothing about what it was asked.
_PASSING = ("ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")


@dataclass(frozen=True, slots=True)
class Team:
    """The Slack workspace that a token is of, and the bot that it speaks as."""

    id: str
    name: str
    bot_user_id: str
    bot_name: str


@dataclass(frozen=True, slots=True)
class SlackFault:
    """
    Why a token is not proven, in words for the user. `refused`: it is no good; else it could not be asked.

    The words stand after the name of what was given: “botToken: Slack does not know this token; …”.
    """

    words: str
    refused: bool


async def verify_token(
    token: str, api_url: str = SLACK_API_URL, *, seconds: float = SECONDS
) -> Team | SlackFault:
    """Asks Slack whose the token is (auth.test), and whether it may write, as far as Slack says that."""
    if fault := token_error(token):
        return SlackFault(fault, refused=True)
    answer = await _asked(_Client(token, api_url), None, seconds)
    if isinstance(answer, Outcome):
        return _unproven(answer.response or "")
    scopes = answer.headers.get("x-oauth-scopes")
    if scopes is not None and _NEEDED_SCOPE not in [scope.strip() for scope in scopes.split(",")]:
        return SlackFault(_REFUSALS["missing_scope"], refused=True)
    id_, name, bot_user_id, bot_name = (
        str(answer.data.get(key) or "") for key in ("team_id", "team", "user_id", "user")
    )
    if not id_:
        return SlackFault("Slack could not be asked: its answer names no workspace", refused=False)
    return Team(id_, name, bot_user_id, bot_name)


async def send(token: str, body: bytes, api_url: str = SLACK_API_URL, *, seconds: float = SECONDS) -> Outcome:
    """
    One attempt to post a `body` of notifications.slack_text.compose (chat.postMessage).

    Whatever the network does comes back as an Outcome, within `seconds`: its response is “ok”, Slack's name
    of the error such as channel_not_found, or what happened in words. The token is never in it.
    """
    if fault := token_error(token):
        return Outcome(False, f"the bot's token {fault}")
    answer = await _asked(_Client(token, api_url), orjson.loads(body), seconds)
    return answer if isinstance(answer, Outcome) else Outcome(True, "ok")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What Slack said yes with."""

    data: Mapping[str, Any]
    headers: Mapping[str, str]


class _Client(AsyncWebClient):
    """
    slack-sdk's client, whose way out is ours.

    Its own takes proxies from the environment, follows redirects, tries again by itself, logs what it sends
    at debug level, reads without bound, and trips over answers that are no JSON object.
    """

    def __init__(self, token: str, api_url: str) -> None:
        super().__init__(token, base_url=api_url, retry_handlers=[], user_agent_prefix="Baton")

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        headers = {**req_args["headers"], "Accept-Encoding": "identity"}
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            trust_env=False,
        )
        async with (
            session,
            session.request(
                http_verb, api_url, headers=headers, json=req_args["json"], allow_redirects=False
            ) as answer,
        ):
            read = bytearray()
            async for chunk in answer.content.iter_any():
                read += chunk
                if len(read) > ANSWER_BYTES:
                    raise aiohttp.ClientPayloadError("too long")
            return {"data": _object(read), "headers": answer.headers, "status_code": answer.status}


async def _asked(client: _Client, message: dict[str, Any] | None, seconds: float) -> _Answer | Outcome:
    """Posts `message`, or asks whose the token is; an Outcome is why that failed."""
    try:
        async with asyncio.timeout(seconds):
            answer = await (client.auth_test() if message is None else client.chat_postMessage(**message))
    except SlackApiError as error:
        return _refusal(error)
    except TimeoutError:
        return Outcome(False, f"no answer within {seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, _fault(error))
    return _Answer(answer.data if isinstance(answer.data, dict) else {}, answer.headers)


def _unproven(response: str) -> SlackFault:
    if _ERROR_NAME.fullmatch(response) and response not in _PASSING:
        return SlackFault(_REFUSALS.get(response, f"Slack refuses this token: {response}"), refused=True)
    return SlackFault(f"Slack could not be asked: {response}", refused=False)


def _refusal(error: SlackApiError) -> Outcome:
    answer = error.response
    name = answer.data.get("error")
    wait = answer.headers.get("Retry-After", "").strip()
    asked = timedelta(seconds=int(wait)) if _WHOLE_SECONDS.fullmatch(wait) else None
    retry_after = min(asked, MAX_RETRY_AFTER) if asked else None
    if isinstance(name, str) and _ERROR_NAME.fullmatch(name):
        return Outcome(False, name, retry_after)
    if 300 <= answer.status_code < 400:
        return Outcome(False, f"HTTP {answer.status_code}; redirects are not followed")
    if answer.status_code == 200:
        return Outcome(False, "HTTP 200, but no answer as Slack gives it")
    return Outcome(False, f"HTTP {answer.status_code}", retry_after)


def _object(text: bytes | bytearray) -> dict[str, Any]:
    """The JSON object that `text` is; an empty one for anything else."""
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(text)
        if isinstance(found, dict):
            return found
    return {}


def _fault(error: Exception) -> str:
    # Never the error's own words: some hold what was sent, or what came back.
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "no connection: the name of Slack's server was not found"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "no connection: the server's certificate is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no connection: TLS could not be agreed on"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.errno or 0
        return f"no connection: {os.strerror(number)}" if number > 0 else "no connection"
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | OSError):
        return "the connection broke before the answer was whole"
    if isinstance(error, ValueError | aiohttp.NonHttpUrlClientError):
        return "BATON_SLACK_API_URL is no address that can be asked"
    return "the answer was not HTTP"
