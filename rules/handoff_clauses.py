"""A message as clauses: as much of it as may ask for a person by itself, read as chunks."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rules.handoff_chunks import ACTS, ASKING, PARTIES, Chunk, read_chunks
from rules.handoff_words import class_of


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


# Without any of these words nobody is asked for; with both kinds most likely.
_TELLS_OF_WHOM = _names(
    "HUMAN AGENT ADVISOR BOSS EXPERT STAFF PEOPLE TEAM HOTLINE SOMEONE SERVICE BRANCH CUSTOMER REAL BOT"
    " AUTOMATIC THEM ONE BODY CHARGE WHO HIGHER"
)
_TELLS_OF_CONTACT = _names(
    "MOVE MOVING MOVED PUT TAKE ESCALATE CALL CALLBACK REACH PHONE TOUCH TALK TALKTO WORD TALKING"
)
_TELLING = _TELLS_OF_WHOM | _TELLS_OF_CONTACT
_BREAKS = _names("STOP QUESTION COMMA COLON BREAK")
_MAY_BREAK = _BREAKS | _names("AND")
_AND_BREAKS_BEFORE = _names("I ID IM LET CAN WANT")
_UNREAD = _names("FILL PLEASE COMMA COLON")
# Between a comma and the end of a clause they are no clause: "human, please", "ok, human"
_MANNERS = _names("FILL PLEASE THANK YOU")

# A request begins at one of these, though no punctuation parts it from what was before.
_BEGINS = _names("i-want i-asked can-i can-you let-me how-do-i connect-me-to connect-me")
_BEGINS_WITH_A_PARTY = _names("get PUT TAKE")
_BEFORE_IT = _names(
    "OTHER DEAL topic thing HELP THERE AVAILABLE ME YOU THIS THANK help-me handle take-over no"
)
# What is asked before "and" goes for the act behind it as well: "can you cancel it and put me through to …"
_SHARED = ASKING | _names("have-i-to i-do-not-want i-will without if until says past")
_CONTACTS = ACTS - _names("TALK TAKE BYPASS START help-me take-over handle")
# What follows a party that is to be contacted says what about: "talk to somebody who …"
_FURTHER = _names("ABOUT WHO THIS THATS who-can-i")
# What stands for a party that was named before: "your manager, please get them"
_PRONOUNS = _names("THEM ONE")
_BEFORE_PRONOUNS = ACTS | _names("i-want")

_MOST_WORDS = 300  # of a message, so that time is bounded; and of a clause:
_MOST_CHUNKS = 24


class Clause(NamedTuple):
    """
    The names of the chunks of a clause, and the chunks.

    `manner` says how it was said: `please`, `?`, `after a comma`, `before a comma`.
    """

    names: tuple[str, ...]
    manner: tuple[str, ...]
    chunks: Sequence[Chunk]


def read_clauses(words: Sequence[str]) -> Iterator[Clause]:
    """
    The clauses of a message's words in which anything tells of asking for a person.

    Where that is too much to read, those that tell of both whom and how, and of these the first and the last.
    """
    classes = [class_of(word) for word in words]
    party = ""
    for start, end in _worth_reading(classes):
        manner = tuple(_manner(classes, start, end))
        for piece in _pieces(_chunks(classes, start, end)):
            names: list[str] = []
            for chunk in piece:
                if chunk.name in PARTIES and not _is_owner(words[chunk.last]):
                    party = chunk.name
                is_party = chunk.name in _PRONOUNS and party and names and names[-1] in _BEFORE_PRONOUNS
                names.append(party if is_party else chunk.name)
            yield Clause(tuple(names), manner, piece)


def _is_owner(word: str) -> bool:
    """Whether a word tells whose something is: "an old person's bus pass" is no person."""
    return word[-2:].lower() in ("'s", "’s", "s'", "s’")


def _worth_reading(classes: Sequence[str]) -> list[tuple[int, int]]:
    """Where the stretches that are read begin and end: the telling ones, within bounds."""
    places = _telling_places(classes)
    if _length(places) <= _MOST_WORDS:
        return places
    likely = [
        (start, end)
        for start, end in places[1:-1]
        if not _TELLS_OF_WHOM.isdisjoint(classes[start:end])
        and not _TELLS_OF_CONTACT.isdisjoint(classes[start:end])
    ]
    return _bounded([places[0], *likely, *places[-1:]])


def _telling_places(classes: Sequence[str]) -> list[tuple[int, int]]:
    """Where the telling stretches between breaks begin and end."""
    if _TELLING.isdisjoint(classes):
        return []
    may_break = [at for at, name in enumerate(classes) if name in _MAY_BREAK]
    breaks = [-1, *(at for at in may_break if _is_break(classes, at)), len(classes)]
    return [
        (before + 1, after)
        for before, after in pairwise(breaks)
        if after > before + 1 and not _TELLING.isdisjoint(classes[before + 1 : after])
    ]


def _is_break(classes: Sequence[str], at: int) -> bool:
    if classes[at] == "COMMA":
        return not _is_mere_manner(classes, at)
    if classes[at] == "COLON":
        return "SAY" not in classes[max(at - 2, 0) : at]
    if classes[at] == "AND":
        return at + 1 < len(classes) and classes[at + 1] in _AND_BREAKS_BEFORE
    return True


def _is_mere_manner(classes: Sequence[str], comma: int) -> bool:
    """Whether on either side of a comma there are but manners, up to the end of the clause."""
    before = comma - 1
    while before >= 0 and classes[before] in _MANNERS:
        before -= 1
    after = comma + 1
    while after < len(classes) and classes[after] in _MANNERS:
        after += 1
    return before < 0 or classes[before] in _BREAKS or after == len(classes) or classes[after] in _BREAKS


def _bounded(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most so many words of the stretches, half of them from the beginning and half from the end."""
    if _length(places) <= _MOST_WORDS:
        return list(places)
    first, last = [], []
    left = _MOST_WORDS // 2
    for start, end in places:
        if left <= 0:
            break
        first.append((start, min(end, start + left)))
        left -= end - start
    left = _MOST_WORDS // 2
    for start, end in reversed(places):
        if left <= 0:
            break
        last.append((max(start, end - left), end))
        left -= end - start
    return first + last[::-1]


def _length(places: Sequence[tuple[int, int]]) -> int:
    return sum([end - start for start, end in places])


def _manner(classes: Sequence[str], start: int, end: int) -> Iterator[str]:
    behind = classes[end] if end < len(classes) else ""
    if "PLEASE" in classes[start:end]:
        yield "please"
    if behind == "QUESTION":
        yield "?"
    if start and classes[start - 1] == "COMMA":
        yield "after a comma"
    if behind == "COMMA":
        yield "before a comma"


def _chunks(classes: Sequence[str], start: int, end: int) -> list[Chunk]:
    """The chunks of a stretch, and what is said more than once as one: "agent agent agent"."""
    found: list[Chunk] = []
    for chunk in read_chunks([(classes[at], at) for at in range(start, end) if classes[at] not in _UNREAD]):
        if found and found[-1].name == chunk.name:
            found[-1] = found[-1]._replace(last=chunk.last)
        else:
            found.append(chunk)
    return found


def _pieces(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """The chunks of each clause in a stretch without breaks."""
    piece: list[Chunk] = []
    for at, chunk in enumerate(chunks):
        names = [said.name for said in piece[-2:]]
        following = chunks[at + 1].name if at + 1 < len(chunks) else ""
        if chunk.name == "AND" and following in _CONTACTS:
            yield piece
            piece = [said for said in piece[:2] if said.name in _SHARED][:1]
        elif len(piece) == _MOST_CHUNKS or _begins_anew(names, chunk.name, following):
            yield piece
            piece = [chunk]
        elif names == ["no"] and (chunk.name in _BEGINS or chunk.name == "get"):
            piece = [chunk]  # "no I want a person"
        else:
            piece.append(chunk)
    yield piece


def _begins_anew(before: Sequence[str], name: str, following: str) -> bool:
    """Whether a clause begins at the chunk with this name, given the two before it and the one behind."""
    if name in _FURTHER:
        return len(before) == 2 and before[0] in _CONTACTS and before[0] != "get" and before[1] in PARTIES
    if not before or before[-1] not in _BEFORE_IT:
        return False
    return name in _BEGINS or (name in _BEGINS_WITH_A_PARTY and following in PARTIES)
