"""What an email shows, how it is laid out and how much fits; text of others stays text."""

import re
import textwrap
from binascii import b2a_qp
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from notifications.content.snapshots import ConversationSnapshot, TranscriptMessage
from notifications.email.mime import Envelope, message_bytes
from rules.escalation import Priority
from rules.message import MessageRole

MAIL_LIMIT = 190_000  # bytes, in all
HTML_LIMIT = 100_000  # bytes; Gmail hides what is beyond 102 KB, which would be the newest messages
ROOM = 150_000  # bytes of transcripts
MESSAGE_LIMIT = 4_000  # characters of one message

_NAME_LIMIT = 80
# What one character can take in both parts: twice four bytes of UTF-8, each as =F0, and soft line breaks.
_BYTES_OF_CHARACTER = 26
# Name, time and styles of one message.
_BYTES_OF_FRAME = 700
_LEAST = 60  # characters
_LINE = 76

_BREAK = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# Control characters, directional overrides, spaces without width, halves of characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class Fact:
    """A row under a heading: what, and how it is."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A message of the transcript. `kind` is customer, ai, team, or empty for Baton itself."""

    who: str
    kind: str
    at: str
    words: str
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """Messages, oldest first, and in words how many earlier ones are left out."""

    lines: Sequence[TranscriptLine]
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """An escalation, or a target that takes nothing. `steps` are what to do."""

    title: str | None
    facts: Sequence[Fact]
    link: str
    link_words: str
    priority: Priority | None = None
    steps: Sequence[str] = ()
    transcript: Transcript | None = None


@dataclass(frozen=True, slots=True)
class EmailPage:
    """All that a mail shows, in both of its parts. `lead` is what lists of mails show beside the subject."""

    subject: str
    lead: str
    sections: Sequence[Section]
    footer: str
    more: str | None = None


def transcript_of(conversation: ConversationSnapshot, room: float) -> Transcript | None:
    """The newest messages that `room` bytes have place for, one at least."""
    lines: list[TranscriptLine] = []
    for said in reversed(conversation.transcript):
        line = _line(said, MESSAGE_LIMIT)
        room -= _size(line)
        if room < 0 and lines:
            break
        if room < 0:
            fitting = int((room + _size(line) - _BYTES_OF_FRAME) / _BYTES_OF_CHARACTER)
            line = _line(said, max(fitting, _LEAST))
        lines.append(line)
    left_out = len(conversation.transcript) - len(lines)
    words = f"{count(left_out, 'earlier message')} left out: the whole conversation is in Baton."
    return Transcript(lines[::-1], words if left_out else None) if lines else None


def _line(said: TranscriptMessage, limit: int) -> TranscriptLine:
    kind = {MessageRole.USER: "customer", MessageRole.ASSISTANT: "ai", MessageRole.HUMAN: "team"}.get(
        said.role, ""
    )
    who = {"customer": "Customer", "ai": "AI", "team": one_line(said.author or "", _NAME_LIMIT) or "Team"}
    words = _clean(said.content).strip("\n")
    more = len(words) - limit
    return TranscriptLine(
        who=who.get(kind, "Baton"),
        kind=kind,
        at=when(said.at),
        words=words[:limit],
        left_out=f"… {count(more, 'more character')} in Baton" if more > 0 else None,
    )


def _size(line: TranscriptLine) -> int:
    """About what a message takes in both parts, in bytes."""
    escaped = sum(line.words.count(sign) for sign in "&<>\"'\n")
    return _BYTES_OF_FRAME + 2 * len(b2a_qp(line.words.encode())) + 6 * escaped


def count(number: int, noun: str) -> str:
    """“1 escalation”, “1,200 escalations”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def when(instant: datetime) -> str:
    """“4 March 2026, 14:30 UTC”."""
    at = instant.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def span(since: datetime, until: datetime) -> str:
    """“13:00 to 14:00 UTC on 4 March 2026”."""
    first, last = since.astimezone(UTC), until.astimezone(UTC)
    if first.date() != last.date():
        return f"{when(first)} to {when(last)}"
    return f"{first:%H:%M} to {last:%H:%M} UTC on {first.day} {first:%B %Y}"


def _clean(text: str) -> str:
    return _INVISIBLE.sub("", _BREAK.sub("\n", text))


def one_line(text: str, limit: int) -> str:
    """The text as one line without what cannot be seen, cut to `limit` characters."""
    line = " ".join(_clean(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _wrapped(text: str, before: str = "", after: str = "") -> str:
    """Lines of plain text: what is longer than a line never goes on where a new line would begin."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(
            line,
            _LINE,
            initial_indent=before,
            subsequent_indent=after,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(lines)


def _broken(text: str) -> Markup:
    return Markup("<br>").join(text.split("\n"))


def render_within_limits(page_of: Callable[[float], EmailPage], envelope: Envelope) -> bytes:
    """The message, showing as much as the limits let in: `page_of` takes the share of all that there is."""
    share = 1.0
    while True:
        page = page_of(share)
        text = _TEMPLATES.get_template("email.txt").render(page=page)
        html = _INLINER.inline(_TEMPLATES.get_template("email.html").render(page=page))
        raw = message_bytes(envelope, page.subject, text, html)
        if share < 0.01 or (len(raw) <= MAIL_LIMIT and len(html.encode()) <= HTML_LIMIT):
            return raw
        share /= 2


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(wrapped=_wrapped, broken=_broken)
    return environment


_TEMPLATES = _environment()
_INLINER = CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)
