"""Find a team's own phrases in what customers type, in any language."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_APOSTROPHES = re.compile("['’‘ʼ`´′＇]")
# Invisible or optional characters: format characters, variation selectors, the Arabic tatweel, and the vowel
# points of Hebrew and Arabic
_INVISIBLE = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\u061c\u0640"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]"
)
# Accents of Latin and Greek letters, and the dots of the Russian ё
_ACCENTED = re.compile("([a-z\u0131\u03b1-\u03c9])[\u0300-\u036f]+|(?<=\u0435)\u0308")
_STROKED = str.maketrans("łđøħ", "ldoh")
# Letters with the same meaning that keyboards of neighbouring languages encode differently
_EQUIVALENTS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ı": "i"})
# Thai, Lao, Burmese, Khmer, kana and Han: scripts without spaces between words
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Unicode's normalisation sorts each run of marks, in quadratic time. UAX #15 (stream-safe text) bounds a run
# to 30 marks. These two letters become marks when they are normalised.
_MAX_MARKS = 30
_MARKS_WHEN_NORMALIZED = "\uff9e\uff9f"


class SearchableText:
    """A text that is normalised once and searched for many phrases."""

    def __init__(self, text: str) -> None:
        self._normalized = _normalize(text)

    def find(self, phrases: Iterable[str]) -> str | None:
        """Return the first of `phrases` that the text contains, as the team wrote it, or None."""
        text = self._normalized
        return next(
            (phrase for phrase in phrases if any(_contains(text, form) for form in _forms(phrase))), None
        )


def find_phrase(text: str, phrases: Iterable[str]) -> str | None:
    """Return the first of a team's own `phrases` that `text` contains, as the team wrote it, or None.

    Phrases match whole words in any case and language. Both sides are normalised: NFKC, case folding, any
    apostrophe, one space for any white space, no invisible characters. A customer may omit the accents of a
    phrase, but not add any. In scripts without spaces, such as Chinese, Japanese and Thai, a phrase may be
    anywhere.
    """
    return SearchableText(text).find(phrases)


def _normalize(text: str) -> str:
    straight = unicodedata.normalize("NFKC", _limit_marks(_APOSTROPHES.sub("'", text)))
    folded = unicodedata.normalize("NFKC", straight.casefold())
    if folded.isascii():
        return " ".join(folded.split())
    # Turkish: case folding turns the capital dotted i into "i" and a combining dot
    visible = _INVISIBLE.sub("", folded).replace("i\u0307", "i").translate(_EQUIVALENTS)
    return " ".join(visible.split()) or " ".join(folded.split())


def _limit_marks(text: str) -> str:
    """Return the text with at most `_MAX_MARKS` combining marks in a row; no language needs more."""
    if text.isascii():
        return text
    kept, run = [], 0
    for char in text:
        is_mark = char > "\u02ff" and (unicodedata.category(char)[0] == "M" or char in _MARKS_WHEN_NORMALIZED)
        run = run + 1 if is_mark else 0
        if run <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _forms(phrase: str) -> tuple[str, ...]:
    """Return the normalised forms of a phrase: with its accents, and without."""
    normalized = _normalize(phrase)
    if normalized.isascii():
        return (normalized,)
    without_accents = _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", normalized))
    return normalized, unicodedata.normalize("NFC", without_accents).translate(_STROKED)


def _contains(text: str, phrase: str) -> bool:
    """Return whether a normalised text contains a normalised phrase as whole words."""
    start = text.find(phrase) if phrase else -1
    while start >= 0:
        end = start + len(phrase)
        if _is_boundary(text[start - 1 : start], phrase[0]) and _is_boundary(phrase[-1], text[end : end + 1]):
            return True
        start = text.find(phrase, start + 1)
    return False


def _is_boundary(before: str, after: str) -> bool:
    """Return whether a word may end between two characters, either of which may be missing."""
    if not (_is_word_character(before) and _is_word_character(after)):
        return True
    return bool(_SPACELESS.match(before) or _SPACELESS.match(after))


def _is_word_character(character: str) -> bool:
    # Marks count: in Hindi, for example, a vowel sign belongs to the word before it.
    return bool(character) and unicodedata.category(character)[0] in "LNM"
