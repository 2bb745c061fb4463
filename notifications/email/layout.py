"""The page model of an email, its rendering by the templates, and the limits of its size."""

import textwrap
from binascii import b2a_qp
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from notifications.content.snapshots import ConversationSnapshot, TranscriptMessage
from notifications.content.text import lines_of, one_line
from notifications.content.times import clock_time, local
from notifications.email.mime import Envelope, message_bytes
from rules.escalation import Priority
from rules.message import MessageRole

MAIL_LIMIT = 190_000  # bytes, in all
HTML_LIMIT = 100_000  # bytes; Gmail hides what is beyond 102 KB, which would be the newest messages
TRANSCRIPT_LIMIT = 150_000  # bytes of transcripts
MESSAGE_LIMIT = 4_000  # characters of one message

_NAME_LIMIT = 80
# At most, in both parts: twice four bytes of UTF-8, each as =F0, and soft line breaks.
_BYTES_OF_CHARACTER = 26
# Name, time and styles of one message.
_BYTES_OF_FRAME = 700
_LEAST = 60  # characters
_LINE = 76


@dataclass(frozen=True, slots=True)
class Fact:
    """A row under a heading."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    """A message of the transcript. `kind` is customer, ai, team, or empty for Baton itself."""

    speaker: str
    kind: str
    at: str
    text: str
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """Messages, oldest first, and a note about earlier ones that are left out."""

    lines: Sequence[TranscriptLine]
    left_out: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """An escalation, or a failing target with the `steps` to repair it."""

    title: str | None
    facts: Sequence[Fact]
    link: str
    link_words: str
    priority: Priority | None = None
    steps: Sequence[str] = ()
    transcript: Transcript | None = None


@dataclass(frozen=True, slots=True)
class EmailPage:
    """The content of a mail, for both of its parts. Lists of mails show `lead` next to the subject."""

    subject: str
    lead: str
    sections: Sequence[Section]
    footer: str
    more: str | None = None


def transcript_of(conversation: ConversationSnapshot, limit: float, zone: str) -> Transcript | None:
    """Return the newest messages that fit into `limit` bytes, but at least one."""
    lines: list[TranscriptLine] = []
    for message in reversed(conversation.transcript):
        line = _line(message, MESSAGE_LIMIT, zone)
        limit -= _size(line)
        if limit < 0 and lines:
            break
        if limit < 0:
            fitting = int((limit + _size(line) - _BYTES_OF_FRAME) / _BYTES_OF_CHARACTER)
            line = _line(message, max(fitting, _LEAST), zone)
        lines.append(line)
    left_out = len(conversation.transcript) - len(lines)
    note = f"{count(left_out, 'earlier message')} left out: the whole conversation is in Baton."
    return Transcript(lines[::-1], note if left_out else None) if lines else None


def _line(message: TranscriptMessage, limit: int, zone: str) -> TranscriptLine:
    kind = {MessageRole.USER: "customer", MessageRole.ASSISTANT: "ai", MessageRole.HUMAN: "team"}.get(
        message.role, ""
    )
    team = one_line(message.author or "", _NAME_LIMIT) or "Team"
    speakers = {"customer": "Customer", "ai": "AI", "team": team}
    text = lines_of(message.content).strip("\n")
    more = len(text) - limit
    return TranscriptLine(
        speaker=speakers.get(kind, "Baton"),
        kind=kind,
        at=when(message.at, zone),
        text=text[:limit],
        left_out=f"… {count(more, 'more character')} in Baton" if more > 0 else None,
    )


def _size(line: TranscriptLine) -> int:
    """Estimate the bytes of a message in both parts."""
    escaped = sum(line.text.count(sign) for sign in "&<>\"'\n")
    return _BYTES_OF_FRAME + 2 * len(b2a_qp(line.text.encode())) + 6 * escaped


def count(number: int, noun: str) -> str:
    """Return a counted noun: “1 escalation”, “1,200 escalations”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def when(instant: datetime, zone: str) -> str:
    """Return a time with its zone: “4 March 2026, 14:30 UTC” or “4 March 2026, 09:30 America/New_York”."""
    at = local(instant, zone)
    return f"{at.day} {at:%B %Y}, {clock_time(at)} {zone}"


def hour(instant: datetime, zone: str) -> str:
    """Return the time of day with its zone: “14:30 UTC”."""
    return f"{clock_time(local(instant, zone))} {zone}"


def span(since: datetime, until: datetime, zone: str) -> str:
    """Return a period such as “13:00 to 14:00 UTC on 4 March 2026”."""
    first, last = local(since, zone), local(until, zone)
    if first.date() != last.date():
        return f"{when(since, zone)} to {when(until, zone)}"
    return f"{clock_time(first)} to {clock_time(last)} {zone} on {first.day} {first:%B %Y}"


def _wrapped(text: str, before: str = "", after: str = "") -> str:
    """Wrap plain text at spaces, never within words, addresses and ids.

    Continued lines are indented by `after`, so they never look like new ones.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(
            line,
            _LINE,
            initial_indent=before,
            subsequent_indent=after,
            break_long_words=False,
            break_on_hyphens=False,
            expand_tabs=False,
            replace_whitespace=False,
        ) or [""]
    return "\n".join(lines)


def _broken(text: str) -> Markup:
    return Markup("<br>").join(text.split("\n"))


def render_within_limits(page_of: Callable[[float], EmailPage], envelope: Envelope) -> bytes:
    """Return the message with as much as the limits allow: `page_of` gets the share to show."""
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
