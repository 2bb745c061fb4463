"""Slack's Web API with a bot token: verify the token, and post a composed message."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import orjson

from notifications.network import network_error_text, no_answer_text, open_session
from notifications.outcome import Outcome
from rules.backoff import MAX_RETRY_AFTER
from rules.slack_format import token_error

SLACK_API_URL = "https://slack.com/api/"
SECONDS = 15.0
# Slack answers with the message as it accepted it, some tens of kilobytes at most.
ANSWER_BYTES = 1_048_576

_NEEDED_SCOPE = "chat:write"
_WHOLE_SECONDS = re.compile(r"[0-9]{1,9}")
_ERROR_NAME = re.compile(r"[a-z][a-z0-9_]{0,80}")
# What is wrong with a token, and what to do.
_REFUSALS = {
    "invalid_auth": "Slack does not know this token; copy the bot's token from the app again",
    "account_inactive": "the app was removed from its Slack workspace; install it there again",
    "token_revoked": "this token was revoked; install the app again and copy its new token",
    "token_expired": "this token has expired; switch token rotation off and copy the new token",
    "missing_scope": f"the app lacks the bot scope {_NEEDED_SCOPE}; add it and install the app again",
}
# What to do about a channel.
_CHANNELS = {
    "channel_not_found": "Slack shows the app no such channel: correct its name, or invite the app to it.",
    "is_archived": "The channel is archived: choose another one, or restore it in Slack.",
    "not_in_channel": "Invite the app to the channel in Slack, or choose another one.",
    "restricted_action": "Only some people may post in the channel: let the app, or choose another one.",
    "restricted_action_read_only_channel": "The channel is read-only: choose another one.",
}
# Slack's own trouble, which says nothing about the request.
_PASSING = ("ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")
# Errors that the same request meets again until a person changes the app, the channel or the settings.
FINAL_ERRORS = frozenset(
    {
        *_REFUSALS,
        *_CHANNELS,
        "access_denied",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "messages_tab_disabled",
        "metadata_too_large",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_permission",
        "no_text",
        "not_allowed_token_type",
        "not_authed",
        "team_access_not_granted",
        "team_not_found",
    }
)


@dataclass(frozen=True, slots=True)
class Team:
    """The Slack workspace of a token, and the bot that posts with it."""

    id: str
    name: str
    bot_user_id: str
    bot_name: str


@dataclass(frozen=True, slots=True)
class SlackFault:
    """Reason why a token is not verified. `refused`: Slack rejects it. Otherwise Slack could not be asked.

    The words follow the name of the input: “botToken: Slack does not know this token; …”.
    """

    words: str
    refused: bool


async def verify_token(
    token: str, api_url: str = SLACK_API_URL, *, seconds: float = SECONDS
) -> Team | SlackFault:
    """Return the Slack workspace of the token (auth.test), if the bot may write there."""
    if fault := token_error(token):
        return SlackFault(fault, refused=True)
    answer = await _call(api_url, "auth.test", token, b"", seconds)
    if (failure := _failure(answer)) is not None:
        return _unverified(failure.response or "")
    assert isinstance(answer, _Answer)
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
    """Make one attempt to post a `body` of notifications.slack.compose (chat.postMessage) within `seconds`.

    The response of the Outcome is “ok”, Slack's name of the error such as channel_not_found, or what
    happened in words. It never holds the token.
    """
    if fault := token_error(token):
        return Outcome(False, f"the bot's token {fault}", final=True)
    return _failure(await _call(api_url, "chat.postMessage", token, body, seconds)) or Outcome(True, "ok")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An HTTP answer, with its JSON object, which is empty for anything else."""

    status: int
    headers: Mapping[str, str]
    data: Mapping[str, Any]


async def _call(api_url: str, method: str, token: str, body: bytes, seconds: float) -> _Answer | Outcome:
    """Call a method of the API. An Outcome says why there is no answer."""
    try:
        async with asyncio.timeout(seconds):
            return await _post(f"{api_url.rstrip('/')}/{method}", token, body)
    except TimeoutError:
        return Outcome(False, no_answer_text(seconds))
    except (ValueError, aiohttp.NonHttpUrlClientError):
        return Outcome(False, "BATON_SLACK_API_URL is no address that can be asked")
    except (aiohttp.ClientError, OSError) as error:
        return Outcome(False, network_error_text(error))


async def _post(url: str, token: str, body: bytes) -> _Answer:
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json;charset=utf-8",
        "user-agent": "Baton",
        "accept-encoding": "identity",
    }
    async with (
        open_session() as session,
        session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
    ):
        read = bytearray()
        async for chunk in answer.content.iter_any():
            read += chunk
            if len(read) > ANSWER_BYTES:
                raise aiohttp.ClientPayloadError("too long")
        return _Answer(answer.status, answer.headers, _json_object(read))


def _unverified(response: str) -> SlackFault:
    if _ERROR_NAME.fullmatch(response) and response not in _PASSING:
        return SlackFault(_REFUSALS.get(response, f"Slack refuses this token: {response}"), refused=True)
    return SlackFault(f"Slack could not be asked: {response}", refused=False)


def _failure(answer: _Answer | Outcome) -> Outcome | None:
    """Return the failure that an answer means, or None for success."""
    if isinstance(answer, Outcome):
        return answer
    if answer.status == 200 and answer.data.get("ok") is True:
        return None
    wait = answer.headers.get("Retry-After", "").strip()
    asked = timedelta(seconds=int(wait)) if _WHOLE_SECONDS.fullmatch(wait) else None
    retry_after = min(asked, MAX_RETRY_AFTER) if asked else None
    name = answer.data.get("error")
    if isinstance(name, str) and _ERROR_NAME.fullmatch(name):
        return Outcome(False, name, retry_after, final=name in FINAL_ERRORS, advice=_advice(name))
    if 300 <= answer.status < 400:
        return Outcome(False, f"HTTP {answer.status}; redirects are not followed")
    if answer.status == 200:
        return Outcome(False, "HTTP 200, but no answer as Slack gives it")
    return Outcome(False, f"HTTP {answer.status}", retry_after)


def _advice(name: str) -> str | None:
    """Return what to do about an error of Slack, in a sentence that can follow any other."""
    if refusal := _REFUSALS.get(name):
        return f"In the settings, disconnect Slack and connect it again: {refusal}."
    return _CHANNELS.get(name)


def _json_object(text: bytes | bytearray) -> dict[str, Any]:
    """Return the JSON object in `text`, or an empty one for anything else."""
    with suppress(orjson.JSONDecodeError):
        value = orjson.loads(text)
        if isinstance(value, dict):
            return value
    return {}
