"""Print the patterns of languages that texts for customers are filled with.

    make locale-data

They are those of Unicode CLDR, as the package babel has them. CLDR has no working days: their words are here.
"""

import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import chain, count
from typing import Any

from babel import Locale
from babel.core import get_cldr_version, get_global
from babel.localedata import LocaleDataDict, load, locale_identifiers
from babel.plural import PluralRule

from rules.agent_settings import YEAR_OF_MINUTES
from rules.language import best_language

UNITS = ("minute", "hour", "day", "week")
# The patterns of languages for which CLDR has none.
ABBREVIATED = ("{0} min", "{0} h", "{0} d", "{0} w")
CATEGORIES = ("zero", "one", "two", "few", "many", "other")
# In the order of the plural categories that the language has for integers.
WORKING_DAY = {
    "ar": ("{0} يوم عمل", "يوم عمل واحد", "يوما عمل", "{0} أيام عمل", "{0} يوم عمل", "{0} يوم عمل"),
    "cs": ("{0} pracovní den", "{0} pracovní dny", "{0} pracovních dnů"),
    "da": ("{0} arbejdsdag", "{0} arbejdsdage"),
    "de": ("{0} Arbeitstag", "{0} Arbeitstage"),
    "es": ("{0} día laborable", "{0} días laborables"),
    "fi": ("{0} arkipäivä", "{0} arkipäivää"),
    "fr": ("{0} jour ouvré", "{0} jours ouvrés"),
    "it": ("{0} giorno lavorativo", "{0} giorni lavorativi"),
    "ja": ("{0} 営業日",),
    "ko": ("{0}영업일",),
    "nb": ("{0} arbeidsdag", "{0} arbeidsdager"),
    "nl": ("{0} werkdag", "{0} werkdagen"),
    "no": ("{0} arbeidsdag", "{0} arbeidsdager"),
    "pl": ("{0} dzień roboczy", "{0} dni robocze", "{0} dni roboczych"),
    "pt": ("{0} dia útil", "{0} dias úteis"),
    "ru": ("{0} рабочий день", "{0} рабочих дня", "{0} рабочих дней"),
    "sv": ("{0} arbetsdag", "{0} arbetsdagar"),
    "tr": ("{0} iş günü", "{0} iş günü"),
    "uk": ("{0} робочий день", "{0} робочі дні", "{0} робочих днів"),
    "zh": ("{0}个工作日",),
    "zh_Hant": ("{0} 個工作天",),
}
# The digits of numbering systems follow their zero.
ZEROES = {
    "adlm": "\N{ADLAM DIGIT ZERO}",
    "arab": "\N{ARABIC-INDIC DIGIT ZERO}",
    "arabext": "\N{EXTENDED ARABIC-INDIC DIGIT ZERO}",
    "beng": "\N{BENGALI DIGIT ZERO}",
    "cakm": "\N{CHAKMA DIGIT ZERO}",
    "deva": "\N{DEVANAGARI DIGIT ZERO}",
    "hmnp": "\N{NYIAKENG PUACHUE HMONG DIGIT ZERO}",
    "mtei": "\N{MEETEI MAYEK DIGIT ZERO}",
    "mymr": "\N{MYANMAR DIGIT ZERO}",
    "nkoo": "\N{NKO DIGIT ZERO}",
    "olck": "\N{OL CHIKI DIGIT ZERO}",
    "tibt": "\N{TIBETAN DIGIT ZERO}",
}
# A count from 200 on has the category of its last two digits after 100.
COUNTED = 200
_TOKEN = re.compile(r"'([^']*)'|(H+|m+)|(.)", re.DOTALL)


def main() -> int:
    """Print the document."""
    sys.stdout.write(document())
    return 0


def document() -> str:
    """Return the document: a line for each language, and none for English, whose words are in the code."""
    languages, aliases = _languages()
    plurals = sorted({language["plurals"] for language in languages.values()})
    for language in languages.values():
        language["plurals"] = plurals.index(language["plurals"])
    parts = {
        "cldr": get_cldr_version(),
        "license": files("babel").joinpath("locale-data/LICENSE.unicode").read_text(encoding="utf-8"),
        "plurals": plurals,
        "aliases": dict(sorted(aliases.items())),
    }
    lines = [f"{_written(name)}:{_written(value)}," for name, value in parts.items()]
    rows = [f"{_written(tag)}:{_written(languages[tag])}" for tag in sorted(languages)]
    return "\n".join(["{", *lines, '"languages":{', ",\n".join(rows), "}", "}", ""])


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _languages() -> tuple[dict[str, Any], dict[str, str]]:
    """Return the languages by their tags, and tags that mean one of these; both in lower case.

    A tag is left out if the look-up of a text's language finds an equal entry without it.
    """
    languages: dict[str, Any] = {}
    aliases: dict[str, str] = {}
    # Shorter tags first: they are what the look-up falls back to.
    for tag, name in sorted(_tags(), key=lambda item: (item[0].count("-"), item)):
        entry = _entry(Locale.parse(name))
        parent = best_language(tag.rpartition("-")[0], languages.keys() | aliases.keys())
        if entry is None or (parent and languages[aliases.get(parent, parent)] == entry):
            continue
        same = next((other for other, value in languages.items() if value == entry), None)
        if same:
            aliases[tag] = same
        else:
            languages[tag] = entry
    for old, new in get_global("language_aliases").items():
        tag = new.replace("_", "-").lower()
        if len(old) == 2 and tag in languages and old not in languages:
            aliases[old] = tag
    return languages, aliases


def _tags() -> Iterator[tuple[str, str]]:
    """Yield tags with the names of their locales: zh-Hant-TW is also zh-TW."""
    likely = get_global("likely_subtags")
    for name in locale_identifiers():
        language, *rest = name.split("_")
        if language == "en" or rest[-1:] == ["POSIX"]:
            continue
        yield name.replace("_", "-").lower(), name
        if len(rest) == 2 and likely.get(f"{language}_{rest[1]}") == name:
            yield f"{language}-{rest[1]}".lower(), name


def _entry(locale: Locale) -> dict[str, Any] | None:
    """Return the patterns of a language, or None if CLDR has no words of it for units or days."""
    units = _units(locale)
    days = [locale.days["stand-alone"]["wide"][day] for day in range(7)]
    if any(unit["other"] == abbreviated for unit, abbreviated in zip(units, ABBREVIATED, strict=True)):
        return None
    if days[0] == "Mon":
        return None
    words = dict(zip(UNITS, units, strict=True))
    if working_day := _working_day(locale):
        words["working day"] = working_day
    hour, pattern = _times(locale)
    entry = {
        "plurals": _plurals(locale.plural_form),
        "units": words,
        "unit_pair": _pair(locale),
        "lists": [locale.list_patterns["standard"][part] for part in ("2", "start", "middle", "end")],
        "days": days,
        "day_range": locale.interval_formats[None],
        "hour_digits": hour,
        "time_range": pattern,
        "schedule": str(locale.datetime_formats["medium"]),
        "digits": "",
    }
    if (system := locale.default_numbering_system) != "latn":
        entry["digits"] = "".join(chr(ord(ZEROES[system]) + digit) for digit in range(10))
    return entry


def _units(locale: Locale) -> list[dict[str, str]]:
    data: Any = load(str(locale))
    # The mapping resolves what CLDR has as aliases.
    patterns_of = LocaleDataDict(data)["unit_patterns"]
    patterns = [patterns_of[f"duration-{unit}"]["long"] for unit in UNITS]
    return [
        _shortest({name: pattern[name] for name in CATEGORIES if name in pattern}) for pattern in patterns
    ]


def _shortest(patterns: dict[str, str]) -> dict[str, str]:
    """Return the patterns without those that equal that of the category “other”."""
    other = patterns["other"]
    return {name: text for name, text in patterns.items() if name == "other" or text != other}


def _working_day(locale: Locale) -> dict[str, str] | None:
    """Return the patterns of working days. The last one is also “other”, which may be of fractions only."""
    patterns = WORKING_DAY.get(f"{locale.language}_{locale.script}") or WORKING_DAY.get(locale.language)
    if patterns is None:
        return None
    used = [name for index, name in enumerate(CATEGORIES) if str(index) in _plurals(locale.plural_form)]
    return _shortest({"other": patterns[-1]} | dict(zip(used, patterns, strict=True)))


@cache
def _plurals(rule: PluralRule) -> str:
    """Return a digit for each count below COUNTED: the index of its plural category."""
    plurals = [CATEGORIES.index(rule(amount)) for amount in range(COUNTED)]
    for amount in chain(range(COUNTED, 3_000), range(3_000, YEAR_OF_MINUTES + 1, 500)):
        if plurals[100 + amount % 100] != CATEGORIES.index(rule(amount)):
            raise ValueError(f"{amount} has another category than {100 + amount % 100}: {rule!r}")
    return "".join(map(str, plurals))


def _pair(locale: Locale) -> str:
    """Return the pattern of two units: that of lists in place of a comma, which would split a sentence."""
    for name in ("unit", "unit-short"):
        if pattern := locale.list_patterns.get(name, {}).get("2"):
            if not any(comma in pattern for comma in ",،、"):
                return str(pattern)
            break
    return str(locale.list_patterns["standard"]["2"])


def _times(locale: Locale) -> tuple[int, str]:
    """Return the digits of an hour, and the pattern of two times: hour, minute, hour, minute."""
    tokens = [match.groups() for match in _TOKEN.finditer("".join(locale.interval_formats["Hm"]["H"]))]
    fields = [field for _, field, _ in tokens if field]
    if [field[0] for field in fields] != ["H", "m"] * 2 or fields[:2] != fields[2:] or fields[1] != "mm":
        raise ValueError(f"{locale}: two times are not of two hours and minutes: {fields}")
    number = count()
    parts = [f"{{{next(number)}}}" if field else quoted or other or "" for quoted, field, other in tokens]
    return len(fields[0]), "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
