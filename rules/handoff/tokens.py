"""Split a message into tokens and look up the class of each.

A token is a word or a punctuation mark. Word classes are those of `lexicon`; a word with a single typo counts
as the intended word. Punctuation has the classes STOP, QUESTION, COMMA, COLON and QUOTE. Everything else is
OTHER.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from rules.handoff.lexicon import NOT_TYPOS, TYPO_TOLERANT, WORD_CLASSES

_CLASSES = {word: name for name, words in WORD_CLASSES.items() for word in words.split()}
_TYPO_LENGTHS = range(5, 17)
_ROLE_LENGTH = 7
_ROLE_ENDINGS = (
    *("ologist", "ologists", "ician", "icians", "ographer", "ographers", "therapist", "therapists"),
    *("keeper", "keepers", "person", "persons", "people", "woman", "women", "master", "masters"),
)
_TWO_TYPOS_LENGTH = 10

_APOSTROPHE = "'’‘ʼ`´′＇"
_MARKS = ".!?;,:…！，？"
_QUOTES, _COMMAS, _QUESTIONS = '"“”', ",:;—，", frozenset("?？")
_TOKEN = re.compile(
    # A word may contain combining marks, characters without width and apostrophes.
    rf"[^\W_](?:[^\W_]|[{_APOSTROPHE}\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufe0f\ufeff])*"
    # Without the lookbehind, a long run of marks before a letter takes quadratic time.
    rf"|(?<![{_MARKS}])[{_MARKS}]++(?!\S)|[。\n—{_QUOTES}]"
)
_APOSTROPHES = re.compile(f"[{_APOSTROPHE}]")
_REPEATED = re.compile(r"(.)\1{2,}")
_CONTRACTIONS = {"id": "ID", "wed": "ID"}  # "i'd", "we'd": without the apostrophe they are other words
_MAX_WORD = 40


def tokenize(text: str) -> list[str]:
    """Return the words and punctuation marks of `text`, in order."""
    return _TOKEN.findall(text)


def locate_tokens(text: str, first: int, last: int) -> tuple[int, int]:
    """Return the start and end in `text` of the tokens with the indexes `first` to `last`."""
    matches = list(islice(_TOKEN.finditer(text), first, last + 1))
    return matches[0].start(), matches[-1].end()


def token_class(token: str) -> str:
    """Return the class of a word or punctuation mark as the customer typed it."""
    if len(token) <= _MAX_WORD:
        return _short_token_class(token)
    # Not cached: long tokens would fill the memory.
    return "OTHER" if token[0].isalnum() else _punctuation_class(token)


@lru_cache(maxsize=16384)
def _short_token_class(token: str) -> str:
    if not token[0].isalnum():
        return _punctuation_class(token)
    word = _normalize(token)
    if word in _CONTRACTIONS and len(word) < len(token):
        return _CONTRACTIONS[word]
    if word.isdecimal():
        return _CLASSES.get(word, "NUMBER")
    return (
        _CLASSES.get(word)
        or _class_without_repeats(word)
        or _adverb_class(word)
        or _role_class(word)
        or _class_of_typo(word)
        or "OTHER"
    )


def _punctuation_class(marks: str) -> str:
    if marks in _QUOTES:
        return "QUOTE"
    if marks == ":":
        return "COLON"
    if not _QUESTIONS.isdisjoint(marks):
        return "QUESTION"
    return "COMMA" if marks in _COMMAS else "STOP"


def _normalize(token: str) -> str:
    """Return the word without case, apostrophes, accents and characters without width."""
    if not token.isascii():
        decomposed = unicodedata.normalize("NFKD", token)
        token = "".join(char for char in decomposed if unicodedata.category(char) not in ("Mn", "Cf"))
    word = token.casefold()
    return word if word.isalnum() else _APOSTROPHES.sub("", word)


def _class_without_repeats(word: str) -> str | None:
    """Return the class of a word with a key held down, such as "pleeease" or "humannnn"."""
    if not _REPEATED.search(word):
        return None
    return _CLASSES.get(_REPEATED.sub(r"\1", word)) or _CLASSES.get(_REPEATED.sub(r"\1\1", word))


def _adverb_class(word: str) -> str | None:
    """Return FILL for an adverb in "-ly", which is ignored: "I desperately need"."""
    return "FILL" if word.endswith("ly") and len(word) > 5 and word not in NOT_TYPOS else None


def _role_class(word: str) -> str | None:
    """Return ROLE for a word with the ending of a role: "radiologist", "optician", "chairperson"."""
    return "ROLE" if len(word) > _ROLE_LENGTH and word.endswith(_ROLE_ENDINGS) else None


def _class_of_typo(word: str) -> str | None:
    """Return the class of the word that is misspelt, by symmetric deletes (SymSpell, W. Garbe, 2012)."""
    if len(word) not in _TYPO_LENGTHS or word in NOT_TYPOS or _SIGNATURES.isdisjoint(_signatures(word)):
        return None
    return next((_TYPO_FORMS[form] for form in _deletions(word) if form in _TYPO_FORMS), None)


def _signatures(word: str) -> tuple[str, str, str]:
    """Return three keys, one of which survives any typo that is not in the first letter."""
    return word[:3], word[:2] + word[-1], word[0] + word[-2:]


def _deletions(word: str) -> Iterator[str]:
    """Yield the word and each form without one letter; the first letter is seldom mistyped and stays."""
    yield word
    for index in range(1, len(word)):
        yield word[:index] + word[index + 1 :]


def _typo_forms() -> Iterator[tuple[str, str]]:
    """Yield each form that a typo may share with a known word, and its class; long words lose two letters."""
    for word in TYPO_TOLERANT:
        for form in _deletions(word):
            yield form, _CLASSES[word]
            if len(word) >= _TWO_TYPOS_LENGTH:
                yield from ((shorter, _CLASSES[word]) for shorter in _deletions(form))


_TYPO_FORMS = dict(_typo_forms())
_SIGNATURES = {signature for word in TYPO_TOLERANT for signature in _signatures(word)}
