"""Public holidays by country, or by country and subdivision, as the package `holidays` knows them."""

import warnings
from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import holidays
from holidays.registry import COUNTRIES

_CODES = frozenset(names[1] for names in COUNTRIES.values())
# The package would take it from the server's own language else, and one schedule had two spellings.
_LANGUAGE = "en_US"


@lru_cache(maxsize=256)
def fault_in_calendar(calendar: str) -> str | None:
    """Why `calendar` is no country, such as DE, and no subdivision of one, such as DE-BY, or None."""
    country, dash, subdivision = calendar.partition("-")
    if country not in _CODES:
        return "is not an ISO 3166 country whose holidays are known, such as DE, or a part of one, as DE-BY"
    known = _subdivisions(country)
    if not dash or subdivision in known:
        return None
    if not known:
        return f"names a part of {country}, whose public holidays are known for the whole country alone"
    return f"is not a part of {country} whose public holidays are known; there are {', '.join(known)}"


def _subdivisions(country: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(holidays, country).subdivisions
    return found


@lru_cache(maxsize=2048)
def public_holidays(calendar: str, year: int) -> Mapping[int, str]:
    """
    The names of the holidays of `year` in the country's own language, by the date's ordinal.

    None are known of a calendar that is at fault, and outside of the years that the package looks over.
    """
    if fault_in_calendar(calendar):
        return {}
    country, _, subdivision = calendar.partition("-")
    language = getattr(holidays, country).default_language or _LANGUAGE
    with warnings.catch_warnings():
        # That a moon's year is only estimated, or ends the package's tables.
        warnings.simplefilter("ignore")
        found: Mapping[date, str] = holidays.country_holidays(
            country, subdivision or None, years=year, expand=False, language=language
        )
    return {day.toordinal(): name for day, name in found.items()}
