"""The words of languages for durations, weekdays and times, as Unicode CLDR has them.

`locale_data.json` is made by `make locale-data`. It has no English: those words are in
`rules/customer_texts.py`. The dashboard's preview reads the same file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from rules.language import best_language

# In the order of the digits in `LocaleData.plurals`.
_PLURAL_CATEGORIES = ("zero", "one", "two", "few", "many", "other")


@dataclass(frozen=True, slots=True)
class LocaleData:
    """The patterns of a language. `{0}` and so on are in the place of what they join.

    `plurals` has a digit for each count below 200: the index of its plural category. Higher counts have the
    category of their last two digits after 100. `lists` are the patterns of two items, and of the first,
    the middle and the last of more.
    """

    plurals: str
    units: Mapping[str, Mapping[str, str]]
    unit_pair: str
    lists: Sequence[str]
    days: Sequence[str]
    day_range: str
    hour_digits: int
    time_range: str
    schedule: str
    digits: str

    def quantity(self, count: int, unit: str) -> str:
        """Return a count of a unit: 2 hours are “2 Stunden”."""
        patterns = self.units[unit]
        category = _PLURAL_CATEGORIES[int(self.plurals[count if count < 200 else 100 + count % 100])]
        return _filled(patterns.get(category, patterns["other"]), self._number(count))

    def duration(self, parts: Sequence[tuple[int, str]]) -> str:
        """Return one or two counts of units: “2 Stunden und 30 Minuten”."""
        words = [self.quantity(count, unit) for count, unit in parts]
        return words[0] if len(words) == 1 else _filled(self.unit_pair, *words)

    def listed(self, items: Sequence[str]) -> str:
        """Return a list in words: “Montag, Mittwoch und Freitag”."""
        pair, start, middle, end = self.lists
        if len(items) < 3:
            return _filled(pair, *items) if len(items) == 2 else items[0]
        words = _filled(end, *items[-2:])
        for item in reversed(items[1:-2]):
            words = _filled(middle, item, words)
        return _filled(start, items[0], words)

    def days_between(self, first: int, last: int) -> str:
        """Return a range of weekdays, from 0 for Monday: “Montag – Freitag”."""
        return _filled(self.day_range, self.days[first], self.days[last])

    def times_between(self, start: int, end: int) -> str:
        """Return a range of times in minutes of the day, up to 24:00: “09:00–17:00 Uhr”."""
        fields = ((time // 60, time % 60) for time in (start, end))
        numbers = [(self._number(hour, self.hour_digits), self._number(minute, 2)) for hour, minute in fields]
        return _filled(self.time_range, *numbers[0], *numbers[1])

    def scheduled(self, days: str, times: str) -> str:
        """Return days and their times: “Montag – Freitag, 09:00–17:00 Uhr”."""
        return _filled(self.schedule, times, days)

    def _number(self, value: int, width: int = 1) -> str:
        text = f"{value:0{width}}"
        return "".join(self.digits[int(digit)] for digit in text) if self.digits else text


def locale_data(language: str | None) -> LocaleData | None:
    """Return the patterns of a language, or of the one that its tag begins with.

    It is None for English, and for a language that CLDR has no words of.
    """
    if language is None:
        return None
    languages = _languages()
    tag = best_language(language, languages)
    return languages[tag] if tag else None


@cache
def _languages() -> Mapping[str, LocaleData]:
    # Read when a text has a language for the first time: see the record 0052 for its time and memory.
    document: dict[str, Any] = orjson.loads(files("rules").joinpath("locale_data.json").read_bytes())
    plurals = document["plurals"]
    languages = {
        tag: LocaleData(**{**entry, "plurals": plurals[entry["plurals"]]})
        for tag, entry in document["languages"].items()
    }
    return languages | {alias: languages[tag] for alias, tag in document["aliases"].items()}


def _filled(pattern: str, *values: str) -> str:
    for index, value in enumerate(values):
        pattern = pattern.replace(f"{{{index}}}", value)
    return pattern
