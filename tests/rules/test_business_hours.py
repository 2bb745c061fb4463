"""Business hours: difficult cases by hand, and a comparison with a minute-by-minute implementation."""

import random
import warnings
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import holidays
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.business_hours import Hours, Opening, OutOfReachError, Segment, Weekday, hours_of
from rules.public_holidays import calendar_error, public_holidays
from tests.support.business_hours_oracle import Schedule, changes, zones_of_different_rules

ZONES = sorted(available_timezones() - {"localtime"})
DAYS = list(Weekday)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COUNTRIES = sorted(code for code in holidays.list_supported_countries(include_aliases=False))


def opening(day: str, times: str) -> Opening:
    opens, closes = (int(item[:2]) * 60 + int(item[3:]) for item in times.split("-"))
    return Opening(Weekday(day), opens, closes)


def week(*times: str, days: list[Weekday] = DAYS[:5]) -> tuple[Opening, ...]:
    return tuple(opening(day, time) for day in days for time in times)


def berlin(*when: int) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[misc, arg-type]


def document(
    *times: tuple[str, str, str], timezone: str = "UTC", free: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "timezone": timezone,
        "week": [{"day": day, "opens": opens, "closes": closes} for day, opens, closes in times],
        "holidays": [{"date": on, "name": name} for on, name in (free or {}).items()],
        "holiday_calendar": None,
        **more,
    }


NINE_TO_FIVE = Hours("Europe/Berlin", week("09:00-17:00"))
LUNCH = Hours("Europe/Berlin", week("09:00-12:00", "13:00-17:00"))
NIGHTS = Hours("Europe/Berlin", week("22:00-06:00", days=DAYS))


@pytest.mark.parametrize(
    ("hours", "start", "duration", "due"),
    [
        (NINE_TO_FIVE, berlin(2026, 3, 6, 16, 30), HOUR, berlin(2026, 3, 9, 9, 30)),  # over a weekend
        (NINE_TO_FIVE, berlin(2026, 3, 6, 16), HOUR, berlin(2026, 3, 6, 17)),  # the earliest instant
        (NINE_TO_FIVE, berlin(2026, 3, 6, 17), HOUR, berlin(2026, 3, 9, 10)),  # from the close on
        (NINE_TO_FIVE, berlin(2026, 3, 6, 9), 8 * HOUR, berlin(2026, 3, 6, 17)),  # from the opening on
        (NINE_TO_FIVE, berlin(2026, 3, 7, 3), 40 * HOUR, berlin(2026, 3, 13, 17)),
        (NINE_TO_FIVE, berlin(2026, 3, 27, 16, 30), HOUR, berlin(2026, 3, 30, 9, 30)),  # clocks go forward
        (NINE_TO_FIVE, berlin(2026, 10, 23, 16, 30), HOUR, berlin(2026, 10, 26, 9, 30)),  # and back
        (NINE_TO_FIVE, berlin(2028, 2, 28, 16), 2 * HOUR, berlin(2028, 2, 29, 10)),  # a leap day
        (NINE_TO_FIVE, berlin(2026, 12, 31, 16), 2 * HOUR, berlin(2027, 1, 1, 10)),  # over the year's end
        (NINE_TO_FIVE, berlin(2026, 12, 31, 16), HOUR, berlin(2026, 12, 31, 17)),  # at its last instant
        (LUNCH, berlin(2026, 3, 6, 11, 30), HOUR, berlin(2026, 3, 6, 13, 30)),
        (LUNCH, berlin(2026, 3, 6, 11), HOUR, berlin(2026, 3, 6, 12)),
        (LUNCH, berlin(2026, 3, 6, 12, 30), 5 * HOUR, berlin(2026, 3, 9, 10)),
        (NIGHTS, berlin(2026, 3, 27, 22), 8 * HOUR, berlin(2026, 3, 28, 6)),
        (NIGHTS, berlin(2026, 3, 28, 22), 8 * HOUR, berlin(2026, 3, 29, 23)),  # a night of seven hours
        (NIGHTS, berlin(2026, 10, 24, 22), 8 * HOUR, berlin(2026, 10, 25, 5)),  # and one of nine
    ],
)
def test_due_times_equal_those_computed_by_hand(
    hours: Hours, start: datetime, duration: timedelta, due: datetime
) -> None:
    assert hours.add(start, duration) == due
    assert hours.add(start, duration).tzinfo is UTC
    assert hours.between(start, due) == duration
    assert hours.between(due, start) == -duration


def test_empty_interval_takes_no_time() -> None:
    saturday = berlin(2026, 3, 7, 3)
    assert NINE_TO_FIVE.add(saturday, timedelta(0)) == saturday
    assert NINE_TO_FIVE.segments(saturday, saturday) == NINE_TO_FIVE.segments(saturday, saturday - DAY) == []
    assert Hours("UTC").segments(saturday, saturday) == []
    with pytest.raises(ValueError, match="negative"):
        NINE_TO_FIVE.add(saturday, -HOUR)


def test_skipped_hour_does_not_exist_and_a_repeated_hour_counts_twice() -> None:
    nights = Hours("Europe/Berlin", week("02:15-02:45", days=[Weekday.SUNDAY]))
    assert nights.between(berlin(2026, 3, 28), berlin(2026, 3, 30)) == timedelta(0)
    assert nights.between(berlin(2026, 10, 24), berlin(2026, 10, 26)) == HOUR
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert nights.add(first - DAY, HOUR / 2) == first + HOUR / 2
    assert nights.add(first - DAY, HOUR * 3 / 4) == first + HOUR * 5 / 4


def test_daylight_saving_of_half_an_hour_is_counted() -> None:
    lord_howe = Hours("Australia/Lord_Howe", week("01:00-03:00", days=[Weekday.SUNDAY]))
    zone = ZoneInfo("Australia/Lord_Howe")
    for day, length in (((2026, 4, 5), 150), ((2026, 10, 4), 90), ((2026, 7, 5), 120)):
        midnight = datetime(*day, tzinfo=zone)
        assert lord_howe.between(midnight, midnight + DAY) == timedelta(minutes=length)


@pytest.mark.parametrize(
    ("zone", "skipped"),
    [
        ("Pacific/Apia", date(2011, 12, 30)),
        ("Asia/Manila", date(1844, 12, 31)),
        ("Pacific/Kwajalein", date(1993, 8, 21)),
    ],
)
def test_day_that_a_zone_skipped_does_not_exist(zone: str, skipped: date) -> None:
    eve, morrow = (
        datetime(day.year, day.month, day.day, 16, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for day in (skipped - DAY, skipped + DAY)
    )
    for free in ({}, {skipped: "never"}):
        hours = Hours(zone, week("09:00-17:00", days=DAYS), free)
        assert hours.add(eve, 2 * HOUR) == morrow - 6 * HOUR
        assert [segment.label for segment in hours.segments(eve, morrow)] == [
            "business_hours",
            "closed",
            "business_hours",
        ]
    # The tail of a night belongs to the weekday before, whether that day was or not.
    nights = Hours(zone, [Opening(DAYS[skipped.weekday()], 22 * 60, 6 * 60)])
    assert nights.between(eve, morrow) == 6 * HOUR


CHRISTMAS = {date(2026, 12, 25): "Christmas"}  # a Friday


def test_holiday_closes_its_local_date_and_keeps_the_tail_of_its_night() -> None:
    nights = Hours("Europe/Berlin", NIGHTS.week, CHRISTMAS)
    assert nights.segments(berlin(2026, 12, 24, 20), berlin(2026, 12, 26, 12)) == [
        Segment(berlin(2026, 12, 24, 20), berlin(2026, 12, 24, 22), False, "closed"),
        Segment(berlin(2026, 12, 24, 22), berlin(2026, 12, 25), True, "business_hours"),
        Segment(berlin(2026, 12, 25), berlin(2026, 12, 26), False, "Christmas"),
        Segment(berlin(2026, 12, 26), berlin(2026, 12, 26, 6), True, "business_hours"),
        Segment(berlin(2026, 12, 26, 6), berlin(2026, 12, 26, 12), False, "closed"),
    ]


def test_holiday_closes_round_the_clock_schedules_too() -> None:
    hours = Hours("Europe/Berlin", (), CHRISTMAS)
    assert hours.add(berlin(2026, 12, 24, 23), 2 * HOUR) == berlin(2026, 12, 26, 1)
    assert [segment.label for segment in hours.segments(berlin(2026, 12, 20), berlin(2026, 12, 31))] == [
        "business_hours",
        "Christmas",
        "business_hours",
    ]


def test_holiday_on_the_due_day_is_skipped_and_shown() -> None:
    easter = {date(2026, 4, 3): "Good Friday", date(2026, 4, 6): "Easter Monday"}
    hours = Hours("Europe/Berlin", NINE_TO_FIVE.week, easter)
    start, due = berlin(2026, 4, 2, 16), berlin(2026, 4, 7, 10)
    assert hours.add(start, 2 * HOUR) == due
    assert hours.segments(start, due) == [
        Segment(start, berlin(2026, 4, 2, 17), True, "business_hours"),
        Segment(berlin(2026, 4, 2, 17), berlin(2026, 4, 3), False, "closed"),
        Segment(berlin(2026, 4, 3), berlin(2026, 4, 4), False, "Good Friday"),
        Segment(berlin(2026, 4, 4), berlin(2026, 4, 6), False, "closed"),
        Segment(berlin(2026, 4, 6), berlin(2026, 4, 7), False, "Easter Monday"),
        Segment(berlin(2026, 4, 7), berlin(2026, 4, 7, 9), False, "closed"),
        Segment(berlin(2026, 4, 7, 9), due, True, "business_hours"),
    ]


def test_equal_neighbours_are_one_segment() -> None:
    named = {date(2026, 12, 24) + n * DAY: name for n, name in enumerate(["Break", "Break", "closed"])}
    named[date(2026, 12, 28)] = "business_hours"
    hours = Hours("UTC", week("00:00-24:00", days=[*DAYS[:6]]), named)
    spans = hours.segments(datetime(2026, 12, 23, tzinfo=UTC), datetime(2026, 12, 30, tzinfo=UTC))
    assert [(span.start.day, span.running, span.label) for span in spans] == [
        (23, True, "business_hours"),
        (24, False, "Break"),
        (26, False, "closed"),  # Saturday's name, and Sunday
        (28, False, "business_hours"),
        (29, True, "business_hours"),
    ]


@pytest.mark.parametrize(
    ("times", "minutes"),
    [
        (["00:00-24:00"], 1_440),
        (["09:00-24:00"], 900),
        (["09:00-00:00"], 900),
        (["09:00-09:00"], 1_440),
        (["00:00-00:00"], 1_440),
        (["23:59-00:01"], 2),
        (["09:00-12:00", "11:00-13:00", "13:00-14:00"], 300),
        (["09:00-17:00", "10:00-11:00"], 480),
        (["22:00-06:00", "05:00-07:00"], 600),  # the night's tail is on Tuesday
    ],
)
def test_monday_has_the_minutes_of_its_hours(times: list[str], minutes: int) -> None:
    hours = Hours("UTC", week(*times, days=[Weekday.MONDAY]))
    monday = datetime(2026, 3, 2, tzinfo=UTC)
    assert hours.between(monday, monday + 7 * DAY) == timedelta(minutes=minutes)
    assert hours.between(monday - 7 * DAY, monday + 7 * DAY) == 2 * timedelta(minutes=minutes)


@pytest.mark.parametrize("times", ["00:00-24:00", "00:00-00:00", "09:00-09:00"])
def test_week_without_a_gap_is_round_the_clock(times: str) -> None:
    hours = Hours("Europe/Berlin", week(times, days=DAYS))
    assert hours.around_the_clock
    start = berlin(2026, 3, 28, 12)
    assert hours.add(start, 100 * DAY) == start.astimezone(UTC) + 100 * DAY
    assert not NINE_TO_FIVE.around_the_clock


def test_schedule_that_never_opens_is_never_due() -> None:
    sundays = {date(2026, 1, 4) + n * 7 * DAY: "Sunday" for n in range(53 * 250)}
    hours = Hours("UTC", week("09:00-17:00", days=[Weekday.SUNDAY]), sundays)
    start = datetime(2026, 3, 2, tzinfo=UTC)
    assert hours.between(start, start + 3_652 * DAY) == timedelta(0)
    with pytest.raises(OutOfReachError):
        hours.add(start, timedelta(microseconds=1))


def test_hour_a_week_takes_168_years_for_a_year_of_minutes() -> None:
    hours = Hours("UTC", week("09:00-10:00", days=[Weekday.MONDAY]))
    start = datetime(2026, 3, 2, 10, tzinfo=UTC)
    assert hours.add(start, timedelta(minutes=525_600)) == start + 8_760 * 7 * DAY


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/New_York", "Asia/Manila"])
def test_extreme_times_are_handled(zone: str) -> None:
    first, last = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    for hours in (Hours(zone, week("09:00-17:00")), Hours(zone, (), CHRISTMAS), Hours(zone)):
        for start in (first, first.replace(tzinfo=timezone(14 * HOUR))):
            due = hours.add(start, 100 * HOUR)
            assert hours.between(start, due) == 100 * HOUR or start.tzinfo is not UTC
            assert hours.segments(first, due)[-1].running
        with pytest.raises(OutOfReachError):
            hours.add(last - DAY, 100 * HOUR)
        assert hours.segments(last - 30 * DAY, last)[-1].end == last
        assert hours.between(last - 7 * DAY, last.replace(tzinfo=timezone(-14 * HOUR))) > HOUR


def test_public_calendar_closes_its_dates_by_their_names() -> None:
    start = berlin(2026, 6, 3, 16)
    bavaria, hesse, holland = (
        hours_of(document(("THURSDAY", "09:00", "17:00"), timezone="Europe/Berlin", holiday_calendar=code))
        for code in ("DE-BY", "DE", "NL")
    )
    assert bavaria.add(start, HOUR) == berlin(2026, 6, 11, 10)
    assert hesse.add(start, HOUR) == holland.add(start, HOUR) == berlin(2026, 6, 4, 10)
    labels = [segment.label for segment in bavaria.segments(start, berlin(2026, 6, 11, 10))]
    assert labels == ["closed", "Fronleichnam", "closed", "business_hours"]
    own = Hours("Europe/Berlin", bavaria.week, {date(2026, 6, 4): "Our day"}, "DE-BY")
    assert own.segments(start, berlin(2026, 6, 5))[1].label == "Our day"


def test_public_holidays_at_both_ends_of_a_year_are_closed_wherever_it_begins() -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Niue", "UTC"):
        hours = Hours(zone, (), None, "BG")
        local = ZoneInfo(zone)
        eve, morrow = datetime(2026, 12, 31, tzinfo=local), datetime(2027, 1, 2, tzinfo=local)
        kinds = [(segment.start, segment.label) for segment in hours.segments(eve - DAY, morrow)]
        assert kinds == [(eve - DAY, "business_hours"), (eve + DAY, "Нова година")]


def test_calendar_names_are_the_same_on_every_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for language in ("en_US", "de", "uk"):
        monkeypatch.setenv("LANGUAGE", language)
        public_holidays.cache_clear()
        assert public_holidays("DE", 2026)[date(2026, 1, 1).toordinal()] == "Neujahr"


def test_every_country_of_the_package_is_a_calendar() -> None:
    assert len(COUNTRIES) >= 240
    for code in COUNTRIES:
        parts = [f"{code}-{part}" for part in getattr(holidays, code).subdivisions]
        for calendar in [code, *parts]:
            assert calendar_error(calendar) is None
            assert public_holidays(calendar, 2026) or code not in {"DE", "US", "FR"}
        for year in (1, 2060, 9_999):
            public_holidays(code, year)


@pytest.mark.parametrize(
    "code", ["", "-", "de", "DEU", "XX", "UK", "DE-", "DE-XX", "DE-by", "DE_BY", "VA-1", "\0"]
)
def test_unknown_calendar_is_an_error_without_holidays(code: str) -> None:
    fault = calendar_error(code)
    assert fault
    assert not public_holidays(code, 2026)
    if code == "DE-XX":
        assert "BY" in fault


def test_holidays_of_a_year_do_not_depend_on_its_neighbours() -> None:
    """One year is asked for at a time, which the package does not promise to be enough."""
    for code in COUNTRIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            together = holidays.country_holidays(code, years=range(2025, 2033), expand=False)
        for year in range(2026, 2032):
            days = {day.toordinal() for day in together if day.year == year}
            assert set(public_holidays(code, year)) == days, (code, year)


def agree(schedule: Schedule, start: datetime, end: datetime, part: float) -> None:
    """`Hours` says what walking by the minute says, to the microsecond."""
    hours, stretches = schedule.hours, schedule.stretches(start, end)
    segments = hours.segments(start, end)
    assert [(segment.start, segment.end, segment.label) for segment in segments] == stretches
    assert [segment.running for segment in segments] == [
        label == "business_hours" for _, _, label in stretches
    ]
    opened = schedule.between(start, end)
    assert hours.between(start, end) == opened
    assert hours.between(end, start) == -opened
    if opened:
        duration = max(opened * part // timedelta(seconds=1), 1) * timedelta(seconds=1)
        assert hours.add(start, duration) == schedule.add(start, duration)


def a_week(chance: random.Random) -> tuple[Opening, ...]:
    def one() -> Opening:
        opens = chance.randrange(0, 1_440, chance.choice([1, 30]))
        return Opening(chance.choice(DAYS), opens, chance.choice([1_440, opens, chance.randrange(1_441)]))

    return tuple(one() for _ in range(chance.choice([0, 3, 9, 20])))


@pytest.mark.parametrize("first", range(10))
def test_every_zone_agrees_at_both_its_last_changes_of_the_clocks(first: int) -> None:
    for zone in zones_of_different_rules()[first::10]:
        chance = random.Random(zone)
        ends = datetime(2027, 1, 1, tzinfo=UTC)
        for change in islice(changes(zone, ends), 2):
            start = change - timedelta(seconds=chance.randrange(12 * 3_600))
            free = {change.date() + n * DAY: "a holiday" for n in (-1, 0, 1) if chance.random() < 0.2}
            agree(Schedule(zone, a_week(chance), free), start, start + 18 * HOUR, chance.random())


openings = st.builds(
    Opening,
    st.sampled_from(DAYS),
    st.integers(0, 1_439),
    st.integers(0, 1_440),
)
schedules = st.builds(
    Schedule,
    st.sampled_from(ZONES),
    st.lists(openings, max_size=12).map(tuple),
    st.dictionaries(
        st.dates(date(2026, 1, 1), date(2026, 12, 31)), st.sampled_from(["one", "two"]), max_size=40
    ),
)
instants = st.timedeltas(timedelta(0), 370 * DAY).map(datetime(2025, 12, 30, tzinfo=UTC).__add__)
calmly = settings(deadline=None, derandomize=True, database=None)


@calmly
@given(schedules, instants, st.integers(1, 2 * 86_400_000_000), st.floats(0, 1))
def test_any_schedule_agrees_with_the_oracle(
    schedule: Schedule, start: datetime, length: int, part: float
) -> None:
    agree(schedule, start, start + timedelta(microseconds=length), part)


@calmly
@given(
    schedules.filter(
        lambda drawnst: (
            sum(opening.ends - opening.opens for opening in drawnst.week) > 200 or not drawnst.week
        )
    ),
    instants,
    st.integers(0, 60_000_000_000),
    st.integers(0, 6_000_000_000_000),
)
def test_times_of_adjacent_intervals_add_up(
    schedule: Schedule, start: datetime, little: int, much: int
) -> None:
    hours, first, other = schedule.hours, timedelta(microseconds=little), timedelta(microseconds=much // 100)
    middle, due = hours.add(start, first), hours.add(start, first + other)
    assert start <= middle <= due
    assert hours.add(middle, other) == due
    assert hours.between(start, middle) == first
    assert hours.between(start, due) == first + other
    segments = hours.segments(start, due)
    assert sum((s.end - s.start for s in segments if s.running), timedelta(0)) == first + other
    assert all(before.end == after.start for before, after in pairwise(segments))
    assert all(before.label != after.label for before, after in pairwise(segments))
    if segments:
        assert (segments[0].start, segments[-1].end, segments[-1].running) == (start, due, True)
