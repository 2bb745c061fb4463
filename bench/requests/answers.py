"""Each server's answers are compared with Baton's before anything is measured."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from bench.client import Asked, BadAnswerError, run
from bench.requests.servers import Contestant, only_running
from bench.requests.works import LISTS, WORKS, Workspace
from rules.typeid import CONVERSATION, ESCALATION, MEMBER, MESSAGE, MalformedIdError, format_id, parse_id

# The peers in Node read times to the millisecond; they are asked some seconds after Baton.
_TIME_TOLERANCE, _MINUTES_TOLERANCE = timedelta(milliseconds=1), 1.0
_CURSOR = "a cursor"  # each server has its own form
_NOT_SHOWN = "not shown"  # PostGraphile has no business hours


class WrongAnswerError(Exception):
    """A server answers otherwise than Baton; the message says which, to what, and where it differs."""


async def check_answers(servers: Sequence[Contestant], workspace: Workspace) -> None:
    """Ask each server the same requests as Baton, the first; raise WrongAnswerError.

    All write to the same conversation and the same escalation, one after the other, so their positions must
    follow each other.
    """
    for work in WORKS:
        expected: list[Any] = []
        position = 0
        for server in (item for item in servers if work in item.works):
            with only_running(server, servers):
                answers = await _answers(server, workspace, work)
            if work != LISTS:
                position = _check_messages(server, work, answers, position)
            shown = [shown_list(item) if work == LISTS else _without_message(item) for item in answers]
            expected = expected or shown
            if difference := next(differences(expected, shown, "answers"), None):
                raise _wrong(server, work, difference)


async def _answers(server: Contestant, workspace: Workspace, work: str) -> list[dict[str, Any]]:
    """Return the data of two answers: the message of a customer and that of an AI, say."""
    asked = workspace.work(work, server.target, server.list_document)
    step = len(workspace.conversations)
    two = islice(asked.requests, 0, step + 1, step)
    try:
        sample = await run(server.target, Asked(two, asked.begins), 1, 60, keep_bodies=True)
    except BadAnswerError as error:
        raise _wrong(server, work, str(error)) from error
    return [json.loads(body)["data"] for body in sample.bodies]


def _wrong(server: Contestant, work: str, difference: str) -> WrongAnswerError:
    return WrongAnswerError(f"{server.name} answers {work} otherwise than Baton: {difference}")


def _check_messages(server: Contestant, work: str, answers: Sequence[Any], position: int) -> int:
    """Return the last position; raise WrongAnswerError for messages that do not follow each other."""
    for (payload,) in map(dict.values, answers):
        message = payload["message"]
        if position and message["position"] != position + 1:
            raise _wrong(server, work, f"position {message['position']} follows position {position}")
        position = message["position"]
        try:
            parse_id(MESSAGE, message["id"])
        except MalformedIdError as error:
            raise _wrong(server, work, f"the id of the message {error}") from error
    return position


def _without_message(answer: Mapping[str, Any]) -> dict[str, Any]:
    ((name, payload),) = answer.items()
    message = {key: value for key, value in payload["message"].items() if key not in {"id", "position"}}
    return {name: {**payload, "message": {**message, "id": "an id", "position": "the next"}}}


def shown_list(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list of escalations in Baton's form, with comparable values."""
    page = answer["escalations"]
    cursor = page["pageInfo"]["endCursor"]
    return {
        **page,
        "nodes": [_comparable(_in_batons_form(node)) for node in page["nodes"]],
        "pageInfo": {**page["pageInfo"], "endCursor": _CURSOR if cursor else cursor},
    }


def _in_batons_form(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an escalation of PostGraphile as Baton shows it, and any other as it is."""
    if "slaStatus" not in node:
        return node
    own = dict(node)
    conversation, assignee = own["conversation"], own["assignee"]
    messages = conversation["messages"]["nodes"]
    own["sla"] = {
        "status": own.pop("slaStatus"),
        "dueAt": own.pop("slaDueAt"),
        "remainingMinutes": _NOT_SHOWN,
    }
    return own | {
        "id": format_id(ESCALATION, UUID(own["id"])),
        "assignee": assignee and {**assignee, "id": format_id(MEMBER, UUID(assignee["id"]))},
        "conversation": {
            "id": format_id(CONVERSATION, UUID(conversation["id"])),
            "customer": {"name": conversation["customerName"], "email": conversation["customerEmail"]},
            "messages": {
                "nodes": [{**item, "id": format_id(MESSAGE, UUID(item["id"]))} for item in messages]
            },
        },
    }


def _comparable(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _comparable(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return datetime.fromisoformat(value) if name in {"createdAt", "dueAt"} else value


def differences(expected: Any, actual: Any, path: str) -> Iterator[str]:
    """Yield where two values differ by more than the tolerances."""
    if isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys():
        for name, value in expected.items():
            yield from differences(value, actual[name], f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for place, (item, own) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(item, own, f"{path}[{place}]")
    elif not _same(expected, actual):
        yield f"{path} is {actual!r} instead of {expected!r}"


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, datetime) and isinstance(actual, datetime):
        return abs(expected - actual) <= _TIME_TOLERANCE
    if isinstance(expected, float) and isinstance(actual, float):
        return abs(expected - actual) <= _MINUTES_TOLERANCE
    return actual == _NOT_SHOWN or bool(expected == actual)
