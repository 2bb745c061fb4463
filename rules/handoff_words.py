"""
A message as words, each with its class in `handoff_lexicon`.

A word one slip of the finger away from a telling one counts as that word. Punctuation has classes of its own:
STOP, QUESTION, COMMA, COLON and QUOTE. What is not known is OTHER.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from rules.handoff_lexicon import APART, SLIPPERY, WORDS

_CLASS = {word: name for name, words in WORDS.items() for word in words.split()}
_SLIP_LENGTHS = range(5, 17)

_APOSTROPHE = "'’‘ʼ`´′＇"
_QUOTES, _COMMAS, _QUESTIONS = '"“”', ",:;—，", frozenset("?？")
_TOKEN = re.compile(
    # A word, with the marks, the characters of no width and the apostrophes inside
    rf"[^\W_](?:[^\W_]|[{_APOSTROPHE}\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufe0f\ufeff])*"
    rf"|[.!?;,:…！，？]+(?!\S)|[。\n—{_QUOTES}]"
)
_APOSTROPHES = re.compile(f"[{_APOSTROPHE}]")
_HELD = re.compile(r"(.)\1{2,}")
_CONTRACTED = {"id": "ID", "wed": "ID"}  # as "i'd"; without the apostrophe they are other words
_LONGEST = 40


def split_words(text: str) -> list[str]:
    """The words and the telling punctuation of `text`, in order."""
    return _TOKEN.findall(text)


def place_words(text: str, first: int, last: int) -> tuple[int, int]:
    """Where in `text` the words from number `first` to number `last` stand."""
    found = list(islice(_TOKEN.finditer(text), first, last + 1))
    return found[0].start(), found[-1].end()


@lru_cache(maxsize=16384)
def class_of(typed: str) -> str:
    """The class of a word or a punctuation as the customer typed it."""
    if not typed[0].isalnum():
        return _punctuation(typed)
    if len(typed) > _LONGEST:
        return "OTHER"
    word = _plain(typed)
    if word in _CONTRACTED and len(word) < len(typed):
        return _CONTRACTED[word]
    if word.isdecimal():
        return _CLASS.get(word, "NUMBER")
    return _CLASS.get(word) or _unheld(word) or _adverb(word) or _slipped(word) or "OTHER"


def _punctuation(marks: str) -> str:
    if marks in _QUOTES:
        return "QUOTE"
    if marks == ":":
        return "COLON"
    if not _QUESTIONS.isdisjoint(marks):
        return "QUESTION"
    return "COMMA" if marks in _COMMAS else "STOP"


def _plain(typed: str) -> str:
    """The word without case, apostrophes, accents and what has no width."""
    if not typed.isascii():
        apart = unicodedata.normalize("NFKD", typed)
        typed = "".join(part for part in apart if unicodedata.category(part) not in ("Mn", "Cf"))
    word = typed.casefold()
    return word if word.isalnum() else _APOSTROPHES.sub("", word)


def _unheld(word: str) -> str | None:
    """The class of a word with a key held down: "pleeease", "humannnn"."""
    if not _HELD.search(word):
        return None
    return _CLASS.get(_HELD.sub(r"\1", word)) or _CLASS.get(_HELD.sub(r"\1\1", word))


def _adverb(word: str) -> str | None:
    """Left out like other small words: "I desperately need"."""
    return "FILL" if word.endswith("ly") and len(word) > 5 and word not in APART else None


def _slipped(word: str) -> str | None:
    """The class of the word that this is a slip of: letters lost on both sides (SymSpell, W. Garbe, 2012)."""
    if len(word) not in _SLIP_LENGTHS or word in APART or _LIKENESS.isdisjoint(_likeness(word)):
        return None
    return next((_SLIPS[form] for form in _with_one_lost(word) if form in _SLIPS), None)


def _likeness(word: str) -> tuple[str, str, str]:
    """Of these at least one outlives a slip, unless it is of the first letter."""
    return word[:3], word[:2] + word[-1], word[0] + word[-2:]


def _with_one_lost(word: str) -> Iterator[str]:
    """The word, and each form of it with one letter left out, except the first, which is seldom mistyped."""
    yield word
    for place in range(1, len(word)):
        yield word[:place] + word[place + 1 :]


def _forms_of_slips() -> Iterator[tuple[str, str]]:
    """Each form that a slip may share with a telling word, and its class; two letters of a long word."""
    for word in SLIPPERY:
        for once in _with_one_lost(word):
            yield once, _CLASS[word]
            if len(word) >= 10:
                yield from ((twice, _CLASS[word]) for twice in _with_one_lost(once))


_SLIPS = dict(_forms_of_slips())
_LIKENESS = {like for word in SLIPPERY for like in _likeness(word)}
