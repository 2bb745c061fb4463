"""Finding a team's own phrases in what customers really type, in any language."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_APOSTROPHES = re.compile("['’‘ʼ`´′＇]")
# What is not seen, or may be left out: format characters, variation selectors, the stretching of Arabic, the
# vowel points of Hebrew and Arabic
_UNSEEN = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\u061c\u0640"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]"
)
# Accents of Latin and Greek letters, and the dots of the Russian ё
_ACCENTED = re.compile("([a-z\u0131\u03b1-\u03c9])[\u0300-\u036f]+|(?<=\u0435)\u0308")
_STROKED = str.maketrans("łđøħ", "ldoh")
# Letters that keyboards of one language have and those of its neighbour write otherwise
_ALIKE = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ı": "i"})
# Thai, Lao, Burmese, Khmer, kana and Han: scripts that write no space between words.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def find_phrase(text: str, phrases: Iterable[str]) -> str | None:
    """
    The first of a team's own `phrases` that stands in `text`, as the team wrote it, or None.

    Whole words, any case, any language: Unicode's NFKC and case folding, any apostrophe, any white space as
    one space, nothing unseen. A customer may leave out the accents of a phrase, but not add any. In scripts
    without spaces, such as Chinese, Japanese and Thai, a phrase may stand anywhere.
    """
    plain_text = _plain(text)
    return next(
        (phrase for phrase in phrases if any(_stands_in(plain_text, form) for form in _forms(phrase))), None
    )


def _plain(text: str) -> str:
    straight = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", text))
    folded = unicodedata.normalize("NFKC", straight.casefold())
    seen = _UNSEEN.sub("", folded) if not folded.isascii() else folded
    # Turkish: the capital of i has a dot, which case folding leaves behind
    plain = seen.replace("i\u0307", "i").translate(_ALIKE) if not seen.isascii() else seen
    return " ".join(plain.split()) or " ".join(folded.split())


@lru_cache(maxsize=4096)
def _forms(phrase: str) -> tuple[str, ...]:
    """A phrase as it may be typed: with its accents, and without."""
    plain = _plain(phrase)
    if plain.isascii():
        return (plain,)
    apart = _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", plain))
    return plain, unicodedata.normalize("NFC", apart).translate(_STROKED)


def _stands_in(text: str, phrase: str) -> bool:
    """Whether a plain phrase stands in a plain text, cut off from its neighbours at both ends."""
    start = text.find(phrase) if phrase else -1
    while start >= 0:
        end = start + len(phrase)
        if _is_cut(text[start - 1 : start], phrase[0]) and _is_cut(phrase[-1], text[end : end + 1]):
            return True
        start = text.find(phrase, start + 1)
    return False


def _is_cut(before: str, after: str) -> bool:
    """Whether a word may end between two characters, either of which may be missing."""
    if not (_is_of_word(before) and _is_of_word(after)):
        return True
    return bool(_SPACELESS.match(before) or _SPACELESS.match(after))


def _is_of_word(character: str) -> bool:
    # Marks count: in Hindi, say, a vowel sign that follows is still the same word.
    return bool(character) and unicodedata.category(character)[0] in "LNM"
