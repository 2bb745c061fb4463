"""Split a message into clauses, each of which may ask for a person, and read each as chunks."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rules.handoff.chunks import ACTIONS, PARTIES, REQUEST_FORMS, Chunk, chunk_words
from rules.handoff.tokens import token_class


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# A clause without any of these classes asks for no person; one with both kinds is the most likely to ask.
_PARTY_CLASSES = _names(
    "HUMAN AGENT ADVISOR BOSS EXPERT STAFF ROLE PEOPLE TEAM HOTLINE SOMEONE SERVICE BRANCH CUSTOMER REAL BOT"
    " AUTOMATIC THEM ONE BODY CHARGE WHO HIGHER ABOVE HEAD"
)
_CONTACT_CLASSES = _names(
    "MOVE MOVING MOVED PUT TAKE HAND ESCALATE CALL BELL HOP CALLBACK REACH PHONE TOUCH TALK TALKTO WORD"
    " TALKING DISCUSS"
)
_RELEVANT = _PARTY_CLASSES | _CONTACT_CLASSES
_BREAKS = _names("STOP QUESTION COMMA COLON BREAK")
_POSSIBLE_BREAKS = _BREAKS | _names("AND")
_AND_BREAKS_BEFORE = _names("I ID IM LET CAN WANT")
_NOT_CHUNKED = _names("FILL PLEASE COMMA COLON GREETING")
# Between a comma and the end of a clause these form no clause of their own: "human, please", "ok, human"
_POLITENESS = _names("FILL PLEASE THANK YOU GREETING")

# A request begins at one of these chunks even without punctuation before it.
_STARTERS = _names("i-want i-asked can-i can-you let-me how-do-i connect-me-to take-me-to connect-me")
_STARTERS_BEFORE_A_PARTY = _names("get PUT TAKE HAND")
# After one of these at its start, a clause asks what a thing allows: "does the phone let me talk to …"
_ASKS_ABOUT_A_THING = _names("DO CAN WILL is-there WHAT HOW")
_BEFORE_A_STARTER = _names(
    "OTHER DEAL topic thing HELP THERE AVAILABLE ME YOU THIS THANK help-me handle take-over no"
)
# A request form before "and" applies to the action after it too: "can you cancel it and put me through to …"
_SHARED = REQUEST_FORMS | _names("have-i-to i-do-not-want i-will without if until says past")
_CONTACTS = ACTIONS - _names("TALK TAKE BYPASS START help-me take-over handle")
# After a contact and a party these begin a clause about the topic: "talk to somebody who …"
_TOPIC_STARTERS = _names("ABOUT WHO THIS THATS who-can-i")
# These refer to a party that was named before: "your manager, please get them"
_PRONOUNS = _names("THEM ONE")
_BEFORE_PRONOUNS = ACTIONS | _names("i-want")

_MAX_WORDS = 300  # words read per message: a bound on the time
_MAX_CHUNKS = 24  # chunks per clause

Span = tuple[int, int]  # indexes of tokens: the first, and the one after the last


class Clause(NamedTuple):
    """A clause: the names of its chunks, its manner and the chunks.

    `manner` holds any of `greeting`, `please`, `?`, `after a comma` and `before a comma`.
    """

    names: tuple[str, ...]
    manner: tuple[str, ...]
    chunks: Sequence[Chunk]


def split_clauses(tokens: Sequence[str]) -> Iterator[Clause]:
    """Yield the clauses of a message that contain a relevant word.

    A message with too many relevant words is read in part: the clauses with both a party and a contact, and
    of these the first and the last.
    """
    classes = [token_class(token) for token in tokens]
    party = ""
    for start, end in _spans_to_read(classes):
        greeting_end = _greeting_end(tokens, classes, start, end)
        manner = tuple(_manner(classes, greeting_end, start, end))
        for part in _split_at_starters(_chunks(classes, greeting_end, end)):
            names: list[str] = []
            for chunk in part:
                if chunk.name in PARTIES and not _is_possessive(tokens[chunk.last]):
                    party = chunk.name
                refers = chunk.name in _PRONOUNS and party and names and names[-1] in _BEFORE_PRONOUNS
                names.append(party if refers else chunk.name)
            yield Clause(tuple(names), manner, part)


def _is_possessive(token: str) -> bool:
    """Return whether a token is a possessive: "an old person's bus pass" names no person."""
    return token[-2:].lower() in ("'s", "’s", "s'", "s’")


def _spans_to_read(classes: Sequence[str]) -> list[Span]:
    """Return the spans that are read: the relevant ones, up to `_MAX_WORDS` words."""
    spans = _relevant_spans(classes)
    if _total_length(spans) <= _MAX_WORDS:
        return spans
    likely = [
        (start, end)
        for start, end in spans[1:-1]
        if not _PARTY_CLASSES.isdisjoint(classes[start:end])
        and not _CONTACT_CLASSES.isdisjoint(classes[start:end])
    ]
    return _both_ends([spans[0], *likely, *spans[-1:]])


def _relevant_spans(classes: Sequence[str]) -> list[Span]:
    """Return the spans between breaks that contain a relevant word."""
    if _RELEVANT.isdisjoint(classes):
        return []
    candidates = [index for index, name in enumerate(classes) if name in _POSSIBLE_BREAKS]
    breaks = [-1, *(index for index in candidates if _is_break(classes, index)), len(classes)]
    return [
        (before + 1, after)
        for before, after in pairwise(breaks)
        if after > before + 1 and not _RELEVANT.isdisjoint(classes[before + 1 : after])
    ]


def _is_break(classes: Sequence[str], index: int) -> bool:
    if classes[index] == "COMMA":
        return not _separates_politeness(classes, index)
    if classes[index] == "COLON":
        return "SAY" not in classes[max(index - 2, 0) : index]
    if classes[index] == "AND":
        return index + 1 < len(classes) and classes[index + 1] in _AND_BREAKS_BEFORE
    return True


def _separates_politeness(classes: Sequence[str], comma: int) -> bool:
    """Return whether only polite words lie between a comma and the nearest break, on either side."""
    before = comma - 1
    while before >= 0 and classes[before] in _POLITENESS:
        before -= 1
    after = comma + 1
    while after < len(classes) and classes[after] in _POLITENESS:
        after += 1
    return before < 0 or classes[before] in _BREAKS or after == len(classes) or classes[after] in _BREAKS


def _both_ends(spans: Sequence[Span]) -> list[Span]:
    """Return at most `_MAX_WORDS` words of the spans, half from the beginning and half from the end."""
    if _total_length(spans) <= _MAX_WORDS:
        return list(spans)
    head, tail = [], []
    left = _MAX_WORDS // 2
    for start, end in spans:
        if left <= 0:
            break
        head.append((start, min(end, start + left)))
        left -= end - start
    left = _MAX_WORDS // 2
    for start, end in reversed(spans):
        if left <= 0:
            break
        tail.append((max(start, end - left), end))
        left -= end - start
    return head + tail[::-1]


def _total_length(spans: Sequence[Span]) -> int:
    return sum([end - start for start, end in spans])


def _greeting_end(tokens: Sequence[str], classes: Sequence[str], start: int, end: int) -> int:
    """Return the index after a greeting at the start of a span: "hello", "good morning"."""
    index = start
    while index < end and classes[index] in ("GREETING", "COMMA"):
        index += 1
    if start < index < end - 1 and classes[index] == "THERE" and classes[index + 1] != "IS":
        index += 1
    if index + 1 < end and tokens[index].lower() == "good" and classes[index + 1] == "LATER":
        index += 2
    return index if index < end else start


def _manner(classes: Sequence[str], greeting_end: int, start: int, end: int) -> Iterator[str]:
    if greeting_end > start:
        yield "greeting"
    following = classes[end] if end < len(classes) else ""
    if "PLEASE" in classes[start:end]:
        yield "please"
    if following == "QUESTION":
        yield "?"
    if start and classes[start - 1] == "COMMA":
        yield "after a comma"
    if following == "COMMA":
        yield "before a comma"


def _chunks(classes: Sequence[str], start: int, end: int) -> list[Chunk]:
    """Return the chunks of a span, with repeated ones merged: "agent agent agent"."""
    merged: list[Chunk] = []
    words = [(classes[index], index) for index in range(start, end) if classes[index] not in _NOT_CHUNKED]
    for chunk in chunk_words(words):
        if merged and merged[-1].name == chunk.name:
            merged[-1] = merged[-1]._replace(last=chunk.last)
        else:
            merged.append(chunk)
    return merged


def _split_at_starters(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """Yield the chunks of each clause of a span."""
    part: list[Chunk] = []
    for index, chunk in enumerate(chunks):
        names = [previous.name for previous in part[-2:]]
        following = chunks[index + 1].name if index + 1 < len(chunks) else ""
        if chunk.name == "AND" and following in _CONTACTS:
            yield part
            part = [shared for shared in part[:2] if shared.name in _SHARED][:1]
        elif len(part) == _MAX_CHUNKS or (
            _starts_clause(names, chunk.name, following) and not _asks_about_a_thing(part, chunk.name)
        ):
            yield part
            part = [chunk]
        elif names == ["no"] and (chunk.name in _STARTERS or chunk.name == "get"):
            part = [chunk]  # "no I want a person"
        else:
            part.append(chunk)
    yield part


def _asks_about_a_thing(part: Sequence[Chunk], name: str) -> bool:
    return name == "let-me" and part[0].name in _ASKS_ABOUT_A_THING


def _starts_clause(before: Sequence[str], name: str, following: str) -> bool:
    """Return whether a clause begins at a chunk, given the two chunks before it and the one after it."""
    if name in _TOPIC_STARTERS:
        return len(before) == 2 and before[0] in _CONTACTS and before[0] != "get" and before[1] in PARTIES
    if not before or before[-1] not in _BEFORE_A_STARTER:
        return False
    return name in _STARTERS or (name in _STARTERS_BEFORE_A_PARTY and following in PARTIES)
