"""The file of a replay: recorded conversations as JSON Lines, one per line.

It is read twice, line by line: once to check all of it before anything is recorded, once to replay it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Literal

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from resolvers.errors import BadInputError, BatonError, ErrorCode
from resolvers.validation import (
    check_content,
    check_email,
    check_intents,
    check_key,
    check_name,
    check_percent,
)
from rules.encoding import parse_datetime

LINE_LIMIT = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_YEARS = range(1970, 3000)
_NAME_LIMIT = 100


class ReplayFileError(BatonError):
    """The file or one of its lines cannot be replayed; the message says why."""

    code = ErrorCode.BAD_USER_INPUT


class ConfidenceScale(StrEnum):
    """The scale of the confidences in a file: 0 to 100 or 0 to 1."""

    PERCENT = "percent"
    PROBABILITY = "probability"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


class RecordedCustomer(_Part):
    """The customer of a conversation."""

    external_id: str | None = None
    email: str | None = None
    name: str | None = None


class RecordedMessage(_Part):
    """A message. `at` is ISO 8601 with a zone."""

    role: Literal["user", "assistant", "human", "system"]
    content: str
    confidence: float | None = None
    intents: list[str] | None = None
    at: str | None = None


class RecordedConversation(_Part):
    """One line of the file."""

    id: str
    customer: RecordedCustomer | None = None
    messages: list[RecordedMessage]


@dataclass(frozen=True, slots=True)
class ReplayLine:
    """A checked line: its number from 1, and the time of each of its messages, if known."""

    number: int
    conversation: RecordedConversation
    times: list[datetime | None]

    @property
    def timed(self) -> bool:
        """The messages have recorded times."""
        return bool(self.times) and self.times[0] is not None


@dataclass(slots=True)
class Contents:
    """The contents of a file: its SHA-256, and the numbers of conversations and of messages by role."""

    sha256: str = ""
    scale: ConfidenceScale | None = None
    conversations: int = 0
    messages: Counter[str] = field(default_factory=Counter)


class ConversationFile:
    """An open file of conversations. A fault of a line is a ReplayFileError."""

    def __init__(self, name: str, file: BinaryIO, scale: ConfidenceScale | None = None) -> None:
        self._name = name
        self._file = file
        self._scale = scale

    @classmethod
    @contextmanager
    def opened(cls, path: Path, scale: ConfidenceScale | None = None) -> Iterator["ConversationFile"]:
        """Open the file at `path`; raises ReplayFileError if it cannot be read twice."""
        if path.exists() and not path.is_file():
            raise ReplayFileError(f"{path} is not an ordinary file: a replay reads it twice.")
        try:
            file = path.open("rb")
        except OSError as error:
            raise ReplayFileError(f"{path} cannot be read: {error.strerror}.") from None
        with file:
            yield cls(path.name, file, scale)

    def check(self) -> Contents:
        """Read and check the whole file. Only a few bytes of each conversation stay in memory."""
        contents, numbers = Contents(scale=self._scale), dict[bytes, int]()
        digest = hashlib.sha256()
        highest: float | None = None
        for line in self._lines(digest.update):
            self._must_be_new(numbers, line)
            contents.conversations += 1
            contents.messages.update(message.role for message in line.conversation.messages)
            highest = max((*_confidences(line), *([] if highest is None else [highest])), default=None)
        if self._scale is None and highest is not None and highest <= 1:
            raise ReplayFileError(
                f"{self._name}: every confidence is between 0 and 1. Say which scale that is: "
                "--confidence-scale probability, or --confidence-scale percent."
            )
        contents.sha256 = digest.hexdigest()
        return contents

    def lines(self, contents: Contents) -> Iterator[ReplayLine]:
        """Read the file again; raises ReplayFileError at its end if it has changed since the check."""
        digest = hashlib.sha256()
        yield from self._lines(digest.update)
        if digest.hexdigest() != contents.sha256:
            raise ReplayFileError(
                f"{self._name} was changed while it was replayed. Leave it as it is, and run with --fresh."
            )

    def _must_be_new(self, numbers: dict[bytes, int], line: ReplayLine) -> None:
        key = hashlib.blake2b(line.conversation.id.encode(), digest_size=16).digest()
        first = numbers.setdefault(key, line.number)
        if first != line.number:
            raise self._fault(line.number, f"id is that of line {first} already; ids must be unique")

    def _lines(self, update: Callable[[bytes], None]) -> Iterator[ReplayLine]:
        self._file.seek(0)
        number = 0
        while text := self._file.readline(LINE_LIMIT + 1):
            number += 1
            if len(text) > LINE_LIMIT:
                raise self._fault(number, f"is longer than {LINE_LIMIT // 1024**2} MiB")
            update(text)
            if number == 1:
                text = text.removeprefix(_BOM)
            if text.strip():
                yield self._read(number, text)

    def _read(self, number: int, text: bytes) -> ReplayLine:
        try:
            conversation = RecordedConversation.model_validate(orjson.loads(text))
            if self._scale is ConfidenceScale.PROBABILITY:
                conversation = _in_percent(conversation)
            _check(conversation)
            return ReplayLine(number, conversation, _times(conversation))
        except orjson.JSONDecodeError as error:
            raise self._fault(number, f"is not JSON in UTF-8: {error.msg} (column {error.colno})") from None
        except ValidationError as error:
            raise self._fault(number, _in_words(error)) from None
        except BadInputError as error:
            raise self._fault(number, str(error)) from None

    def _fault(self, number: int, what: str) -> ReplayFileError:
        return ReplayFileError(f"{self._name}, line {number}: {what}.")


def _confidences(line: ReplayLine) -> list[float]:
    messages = line.conversation.messages
    return [message.confidence for message in messages if message.confidence is not None]


def _in_percent(conversation: RecordedConversation) -> RecordedConversation:
    """Return the conversation with its probabilities as percent; raises BadInputError for other numbers."""
    messages = []
    for index, message in enumerate(conversation.messages):
        probability = message.confidence
        if probability is not None:
            if not 0 <= probability <= 1:
                raise BadInputError(f"{_path(index)} confidence", "is not between 0 and 1")
            # 0.57 * 100 is 56.99999999999999.
            message = message.model_copy(update={"confidence": round(probability * 100, 9)})
        messages.append(message)
    return conversation.model_copy(update={"messages": messages})


def _check(conversation: RecordedConversation) -> None:
    """Apply the limits of the API."""
    check_key("id", conversation.id)
    if customer := conversation.customer:
        check_key("customer.external_id", customer.external_id)
        if customer.email is not None:
            check_email("customer.email", customer.email)
        if customer.name is not None:
            check_name("customer.name", customer.name)
    for index, message in enumerate(conversation.messages):
        _check_message(_path(index), message)


def _check_message(path: str, message: RecordedMessage) -> None:
    if message.role != "system":  # it is skipped, however long it is
        check_content(f"{path} content", message.content)
    if message.confidence is not None and message.role != "assistant":
        raise BadInputError(f"{path} confidence", "is for the role assistant")
    if message.intents and message.role not in {"user", "assistant"}:
        raise BadInputError(f"{path} intents", "are for the roles user and assistant")
    check_percent(f"{path} confidence", message.confidence)
    check_intents(f"{path} intents", message.intents or [])


def _path(index: int) -> str:
    # Counted from 1, as in the report.
    return f"message {index + 1}:"


def _times(conversation: RecordedConversation) -> list[datetime | None]:
    """Return the time of each message: its own, else that of the previous one, at the start the first time.

    Without any time they are all None. Raises BadInputError for an invalid time and for one that goes back.
    """
    own = [_time(_path(index), message.at) for index, message in enumerate(conversation.messages)]
    last = next((time for time in own if time is not None), None)
    times: list[datetime | None] = []
    for index, time in enumerate(own):
        if time is not None and last is not None and time < last:
            raise BadInputError(f"{_path(index)} at", "is before the time of the message before it")
        last = time or last
        times.append(last)
    return times


def _time(path: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = parse_datetime(text)
    except (ValueError, OverflowError):
        raise BadInputError(
            f"{path} at", "is not an ISO 8601 time with a zone, such as 2026-01-31T09:30:00Z"
        ) from None
    if time.astimezone(UTC).year not in _YEARS:
        raise BadInputError(f"{path} at", f"is not in the years {_YEARS[0]} to {_YEARS[-1]}")
    return time


_PLAIN = {
    "missing": "is missing",
    "string_type": "is not a string",
    "float_type": "is not a number",
    "list_type": "is not a list",
    "model_type": "is not a JSON object",
    "literal_error": "is not user, assistant, human or system",
}


def _in_words(error: ValidationError) -> str:
    """Return the first fault, with its path as the file spells it."""
    first = error.errors(include_url=False, include_input=False)[0]
    steps = [str(step) for step in first["loc"]]
    where = ".".join(steps)
    if steps[:1] == ["messages"] and len(steps) > 1:
        where = f"{_path(int(steps[1]))} {'.'.join(steps[2:])}".rstrip(": ")
    if first["type"] == "extra_forbidden":
        unknown = "".join(sign if sign.isprintable() else "?" for sign in where[:_NAME_LIMIT])
        return f"{unknown} is not known here"
    return f"{where} {_PLAIN.get(first['type'], 'is refused: ' + first['msg'])}".lstrip()
