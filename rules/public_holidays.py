"""Public holidays by country, or by country and subdivision, from the package `holidays`."""

import warnings
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import holidays
from holidays.registry import COUNTRIES

_CODES = frozenset(names[1] for names in COUNTRIES.values())
# Otherwise the package uses the server's locale, and one schedule would have two spellings.
_LANGUAGE = "en_US"


@lru_cache(maxsize=256)
def calendar_error(calendar: str) -> str | None:
    """Return why `calendar` is neither a country (DE) nor a subdivision (DE-BY), or None."""
    country, dash, subdivision = calendar.partition("-")
    if country not in _CODES:
        return "is not an ISO 3166 country whose holidays are known, such as DE, or a part of one, as DE-BY"
    subdivisions = _subdivisions(country)
    if not dash or subdivision in subdivisions:
        return None
    if not subdivisions:
        return f"names a part of {country}, whose public holidays are known only for the whole country"
    return f"is not a part of {country} with known public holidays; use one of {', '.join(subdivisions)}"


def _subdivisions(country: str) -> tuple[str, ...]:
    subdivisions: tuple[str, ...] = getattr(holidays, country).subdivisions
    return subdivisions


@lru_cache(maxsize=2048)
def public_holidays(calendar: str, year: int) -> Mapping[int, str]:
    """Return the names of the holidays of `year` in the country's own language, by the date's ordinal.

    An unknown calendar and a year outside the package's tables have none.
    """
    if calendar_error(calendar):
        return {}
    country, _, subdivision = calendar.partition("-")
    language = getattr(holidays, country).default_language or _LANGUAGE
    with warnings.catch_warnings():
        # It warns when a lunar date is an estimate or outside its tables.
        warnings.simplefilter("ignore")
        dates: Mapping[date, str] = holidays.country_holidays(
            country, subdivision or None, years=year, expand=False, language=language
        )
    return {day.toordinal(): name for day, name in dates.items()}
