from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.business_hours import Segment
from rules.sla_clock import Clock, SlaOutcome, SlaStatus, start_clock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
ALWAYS: dict[str, Any] = {"timezone": "UTC", "week": [], "holidays": [], "holiday_calendar": None}
CLOCK = start_clock(NINE, target_minutes=120, at_risk_percent=80, business_hours=ALWAYS)
AT_RISK, DUE = NINE + timedelta(minutes=96), NINE + timedelta(minutes=120)
INSTANT = timedelta(microseconds=1)


def stopped(at: datetime, *, answered: bool) -> Clock:
    return replace(CLOCK, stopped_at=at, answered=answered)


def test_clock_is_due_after_the_target_and_at_risk_after_its_share() -> None:
    assert (CLOCK.started_at, CLOCK.at_risk_at, CLOCK.due_at) == (NINE, AT_RISK, DUE)
    assert CLOCK.segments() == [Segment(NINE, DUE, running=True, label="business_hours")]


def test_fraction_of_a_minute_counts_too() -> None:
    assert start_clock(NINE, 1, 1, ALWAYS).at_risk_at == NINE + timedelta(milliseconds=600)


@pytest.mark.parametrize(
    ("now", "status", "outcome"),
    [
        (NINE, SlaStatus.ON_TRACK, SlaOutcome.RUNNING),
        (AT_RISK - INSTANT, SlaStatus.ON_TRACK, SlaOutcome.RUNNING),
        (AT_RISK, SlaStatus.AT_RISK, SlaOutcome.RUNNING),
        (DUE - INSTANT, SlaStatus.AT_RISK, SlaOutcome.RUNNING),
        (DUE, SlaStatus.BREACHED, SlaOutcome.MISSED),
        (DUE + timedelta(days=400), SlaStatus.BREACHED, SlaOutcome.MISSED),
    ],
)
def test_running_clock_is_measured_now(now: datetime, status: SlaStatus, outcome: SlaOutcome) -> None:
    assert (CLOCK.status(now), CLOCK.outcome(now)) == (status, outcome)


@pytest.mark.parametrize(
    ("at", "answered", "status", "outcome"),
    [
        (NINE, True, SlaStatus.ON_TRACK, SlaOutcome.MET),
        (AT_RISK, True, SlaStatus.AT_RISK, SlaOutcome.MET),
        (DUE - INSTANT, True, SlaStatus.AT_RISK, SlaOutcome.MET),
        (DUE, True, SlaStatus.BREACHED, SlaOutcome.MISSED),
        (NINE, False, SlaStatus.ON_TRACK, SlaOutcome.CANCELLED),
        (DUE - INSTANT, False, SlaStatus.AT_RISK, SlaOutcome.CANCELLED),
        (DUE, False, SlaStatus.BREACHED, SlaOutcome.MISSED),
    ],
)
@pytest.mark.parametrize("now", [NINE, DUE + timedelta(days=400)])
def test_stopped_clock_stays_as_it_stood(
    at: datetime, answered: bool, status: SlaStatus, outcome: SlaOutcome, now: datetime
) -> None:
    clock = stopped(at, answered=answered)

    assert (clock.status(now), clock.outcome(now)) == (status, outcome)
    assert clock.remaining_minutes(now) is None


def test_remaining_time_of_a_late_clock_is_negative() -> None:
    assert CLOCK.remaining_minutes(DUE - timedelta(seconds=90)) == 1.5
    assert CLOCK.remaining_minutes(DUE) == 0
    assert CLOCK.remaining_minutes(DUE + timedelta(hours=1)) == -60


@given(
    target=st.integers(1, 525_600),
    percent=st.integers(1, 100),
    passed=st.timedeltas(timedelta(0), timedelta(days=800)),
)
def test_status_and_outcome_never_contradict_each_other(target: int, percent: int, passed: timedelta) -> None:
    clock, now = start_clock(NINE, target, percent, ALWAYS), NINE + passed
    remaining = clock.remaining_minutes(now)

    assert NINE < clock.at_risk_at <= clock.due_at
    assert remaining is not None
    assert (clock.status(now) is SlaStatus.BREACHED) is (remaining <= 0)
    assert (clock.outcome(now) is SlaOutcome.MISSED) is (remaining <= 0)
    for answered in (True, False):
        after = replace(clock, stopped_at=now, answered=answered)
        assert after.status(now) is clock.status(now)
        assert (after.outcome(now) is SlaOutcome.MISSED) is (remaining <= 0)
