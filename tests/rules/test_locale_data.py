"""The words of languages, compared with those of Babel."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Literal

import orjson
import pytest
from babel.dates import format_interval
from babel.lists import format_list
from babel.units import format_unit
from hypothesis import given
from hypothesis import strategies as st

from rules.locale_data import LocaleData, locale_data
from scripts.make_locale_data import document

FILE = Path(__file__).parents[2] / "rules/locale_data.json"
LANGUAGES = sorted(orjson.loads(FILE.read_bytes())["languages"])
UNITS: tuple[Literal["minute", "hour", "day", "week"], ...] = ("minute", "hour", "day", "week")


def words_of(language: str) -> LocaleData:
    words = locale_data(language)
    assert words is not None
    return words


def babel_name(language: str) -> str:
    """Return the name of a locale: zh_Hant for zh-hant."""
    first, *rest = language.split("-")
    parts = [part.title() if len(part) == 4 else part.upper() for part in rest]
    return "_".join([first, *parts])


def with_digits_of(words: LocaleData, text: str) -> str:
    return (
        text.translate(dict(zip(map(ord, "0123456789"), words.digits, strict=True))) if words.digits else text
    )


def test_file_is_what_its_program_prints() -> None:
    assert FILE.read_text(encoding="utf-8") == document()


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_those_of_babel(language: str) -> None:
    words, name, random = words_of(language), babel_name(language), Random(52)
    for unit in UNITS:
        for count in (*range(1, 26), *random.sample(range(26, 1_000), 12)):
            expected = format_unit(count, f"duration-{unit}", locale=name)
            assert words.quantity(count, unit) == with_digits_of(words, expected)
    for length in range(1, 8):
        assert words.listed(words.days[:length]) == format_list(words.days[:length], locale=name)
    for start, end in ((0, 60), (540, 1_020), (545, 1_439)):
        opens, closes = (datetime(2026, 1, 5, *divmod(time, 60), tzinfo=UTC) for time in (start, end))
        expected = format_interval(opens, closes, skeleton="Hm", locale=name)
        assert words.times_between(start, end) == with_digits_of(words, expected)


@given(
    st.text(max_size=35) | st.sampled_from([f"{tag}-x-{n}" for n in range(9) for tag in ("de", "sr", "zz")])
)
def test_any_tag_has_the_words_of_a_listed_language_or_none(tag: str) -> None:
    words = locale_data(tag)
    assert words is None or any(words is words_of(language) for language in LANGUAGES)


@pytest.mark.parametrize(
    ("tag", "same"),
    [("de-AT", "de"), ("ar-SA", "ar-EG"), ("iw", "he"), ("no", "nb"), ("zh-TW", "zh-Hant"), ("pt-BR", "pt")],
)
def test_tag_of_a_region_or_an_older_one_has_the_words_of_its_language(tag: str, same: str) -> None:
    assert locale_data(tag) is words_of(same)


@pytest.mark.parametrize("tag", [None, "", "en", "en-GB", "EN", "tlh", "../../etc/passwd", "zz-de"])
def test_english_and_unknown_languages_have_no_words_here(tag: str | None) -> None:
    assert locale_data(tag) is None
