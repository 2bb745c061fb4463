"""Business hours in settings and clocks: changes, refusals, storage with the escalation, texts."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from rules.agent_settings import EscalationSettings
from rules.business_hours import Hours, Weekday, hours_of
from rules.customer_texts import AROUND_THE_CLOCK, business_hours_in_words
from rules.sla_clock import MAX_SLA_HORIZON, Clock, SlaStatus, start_clock
from tests.support.baton_client import Refused, Workspace
from tests.support.conversation_driver import Talk
from tests.support.seeded_workspace import fingerprint

READ = """query($id: ID!) { escalationSettings(agentId: $id) { version sla { businessHours {
    timezone week { day opens closes } holidays { date name } holidayCalendar } } } }"""
CHANGE = """mutation($input: UpdateEscalationSettingsInput!) {
    updateEscalationSettings(input: $input) { settings { version } } }"""
UPDATE = """mutation($input: UpdateEscalationInput!) { updateEscalation(input: $input) {
    escalation { version } } }"""
BEGUN = "Your request has been escalated to our support team. We typically respond within"
DAYS = list(Weekday)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Interval = tuple[str, str, str]


def every(days: list[Weekday], opens: str, closes: str) -> list[Interval]:
    return [(day.value, opens, closes) for day in days]


def week(*times: Interval) -> list[dict[str, str]]:
    return [{"day": day, "opens": opens, "closes": closes} for day, opens, closes in times]


def days_off(first: date, count: int, step: timedelta = DAY) -> list[dict[str, str]]:
    return [{"date": str(first + n * step), "name": f"day off {n}"} for n in range(count)]


def document(*times: Interval, timezone: str = "UTC", **more: Any) -> dict[str, Any]:
    """Return the stored form of business hours."""
    result = {"timezone": timezone, "week": week(*times), "holidays": [], "holiday_calendar": None}
    return result | more


WORKING = every(DAYS[:5], "09:00", "17:00")
OFFICE: dict[str, Any] = {
    "timezone": "Europe/Berlin",
    "week": week(*WORKING, ("SATURDAY", "22:00", "06:00"), ("SUNDAY", "12:00", "24:00")),
    "holidays": [{"date": "2026-12-24", "name": "Heiligabend"}, {"date": "2028-02-29", "name": "29"}],
    "holidayCalendar": "DE-BY",
}
ALWAYS: dict[str, Any] = {"timezone": "UTC", "week": [], "holidays": [], "holidayCalendar": None}
FULL = week(*[(DAYS[n % 7].value, f"{n // 7:02}:30", "00:00") for n in range(100)])


def kept(team: Workspace, agent_id: str) -> dict[str, Any]:
    escalation_settings: dict[str, Any] = team.key.ask(READ, id=agent_id)["escalationSettings"]
    return escalation_settings


def refusal(team: Workspace, agent_id: str, **sla: Any) -> Refused:
    """Return the refusal of a change, and assert that nothing changed."""
    before = fingerprint(team)
    refused = team.key.refusal(CHANGE, input={"agentId": agent_id, "sla": {"atRiskPercent": 7} | sla})
    assert fingerprint(team) == before
    return refused


def test_hours_are_stored_unchanged(team: Workspace, agent_id: str) -> None:
    assert kept(team, agent_id)["sla"]["businessHours"] == ALWAYS
    for hours in (OFFICE, OFFICE | {"holidayCalendar": None}, OFFICE, ALWAYS):
        version = team.key.settings(agent_id, sla={"businessHours": hours})["version"]
        assert kept(team, agent_id)["sla"]["businessHours"] == hours
        assert team.key.settings(agent_id, sla={"businessHours": hours})["version"] == version


def test_omitted_setting_is_unchanged_and_a_list_replaces_its_list(team: Workspace, agent_id: str) -> None:
    team.key.settings(agent_id, sla={"businessHours": OFFICE})
    parts: list[dict[str, Any]] = [
        {"timezone": "US/Eastern"},
        {"week": OFFICE["week"][:1]},
        {"holidays": []},
        {"week": None},
    ]
    for part in parts:
        before = kept(team, agent_id)["sla"]["businessHours"]
        team.key.settings(agent_id, sla={"businessHours": part})
        given = {name: value for name, value in part.items() if value is not None}
        assert kept(team, agent_id)["sla"]["businessHours"] == before | given


@pytest.mark.parametrize(
    "part",
    [
        {
            "week": week(
                ("MONDAY", "00:00", "24:00"), ("MONDAY", "00:00", "00:00"), ("MONDAY", "23:59", "00:01")
            )
        },
        {"week": week(*[WORKING[0]] * 2)},
        {"week": FULL},
        {"holidays": days_off(date(2026, 1, 1), 1_000)},
        {"holidays": [{"date": "0001-01-01", "name": "x" * 200}, {"date": "9999-12-31", "name": "終"}]},
        *[{"holidayCalendar": code} for code in ("DE", "US-CA", "CH-ZH", "IN", "AT-9")],
        *[{"timezone": name} for name in ("US/Eastern", "Etc/GMT+12", "Asia/Calcutta", "GB", "EST5EDT")],
    ],
    ids=lambda part: "-".join(part),
)
def test_valid_settings_are_accepted(team: Workspace, agent_id: str, part: dict[str, Any]) -> None:
    team.key.settings(agent_id, sla={"businessHours": part})
    assert kept(team, agent_id)["sla"]["businessHours"] == ALWAYS | part


NAMELESS = (
    "",
    "Mars/Olympus",
    "localtime",
    "posixrules",
    "Factory",
    "right/UTC",
    "posix/UTC",
    "europe/berlin",
)
NOON = ("MONDAY", "09:00", "12:00")


@pytest.mark.parametrize(
    ("name", "value", "at"),
    [
        *[
            ("timezone", value, "")
            for value in (*NAMELESS, "../etc/passwd", "/etc/localtime", "UTC\0", "U" * 99)
        ],
        *[
            ("week", week(NOON, ("MONDAY", value, "12:00")), ".1.opens")
            for value in (
                "",
                "9:00",
                "24:00",
                "09:60",
                "09:00:00",
                "-1:00",
                " 09:00",
                "٠٩:00",
                "09:00\n",
                "9 am",
            )
        ],
        *[
            ("week", week(("MONDAY", "09:00", value)), ".0.closes")
            for value in ("", "24:01", "25:00", "17", "17.00", "24:00 ", "noon", "17:0\0")
        ],
        ("week", [*FULL, FULL[0]], ""),
        ("holidays", [*days_off(date(2026, 1, 1), 2), {"date": "2026-01-02", "name": "again"}], ""),
        *[
            ("holidays", [{"date": "2026-01-01", "name": value}], ".0.name")
            for value in ("", " ", "x" * 201, "\0")
        ],
        ("holidays", [{"date": "2026-02-29", "name": "no such day"}], ".0.date"),
        ("holidays", days_off(date(2026, 1, 1), 1_001), ""),
        *[
            ("holidayCalendar", value, "")
            for value in ("", "de", "DEU", "XX", "UK", "DE-", "DE-XX", "DE_BY", "\0")
        ],
    ],
)
def test_invalid_setting_is_refused_by_its_path(
    team: Workspace, agent_id: str, name: str, value: Any, at: str
) -> None:
    refused = refusal(team, agent_id, businessHours={name: value})
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", f"input.sla.businessHours.{name}{at}")
    assert refused.errors[0]["message"].startswith(f"{refused.field} ") or at == ".0.date"


@pytest.mark.parametrize("day", ["Monday", "MON", "", 1])
def test_value_that_is_no_weekday_is_refused(team: Workspace, agent_id: str, day: Any) -> None:
    refused = refusal(
        team, agent_id, businessHours={"week": [{"day": day, "opens": "09:00", "closes": "17:00"}]}
    )
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.sla.businessHours.week.0.day")


def test_hours_that_are_never_open_are_refused(team: Workspace, agent_id: str) -> None:
    today = datetime.now(UTC).date()
    sunday = today - timedelta(days=today.isoweekday() % 7)
    hours = {"week": week(("SUNDAY", "09:00", "17:00")), "holidays": days_off(sunday, 530, 7 * DAY)}
    refused = refusal(team, agent_id, businessHours=hours)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", "input.sla.businessHours.week")
    assert "never open" in refused.errors[0]["message"]
    # The shift's tail on Monday is no part of the holiday.
    team.key.settings(agent_id, sla={"businessHours": hours | {"week": week(("SUNDAY", "22:00", "01:00"))}})


HOURLY = week(("MONDAY", "09:00", "10:00"))  # 521 or 522 hours in ten years
TARGET = "input.sla.targetResponseMinutes"


def test_target_of_over_ten_years_is_refused(team: Workspace, agent_id: str) -> None:
    low, high = (
        {"priority": name, "targetResponseMinutes": n} for name, n in (("LOW", 60), ("HIGH", 40_000))
    )
    own = "input.sla.targetsByPriority.1.targetResponseMinutes"
    hourly = {"week": HOURLY}
    refused = refusal(team, agent_id, businessHours=hourly, targetResponseMinutes=40_000)
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", TARGET)
    assert "31," in refused.errors[0]["message"]
    refused = refusal(team, agent_id, businessHours=hourly, targetsByPriority=[low, high])
    assert (refused.code, refused.field) == ("BAD_USER_INPUT", own)

    team.key.settings(agent_id, sla={"targetResponseMinutes": 525_600})
    assert refusal(team, agent_id, businessHours=hourly).field == TARGET
    team.key.settings(agent_id, sla={"businessHours": hourly, "targetResponseMinutes": 31_000})
    assert refusal(team, agent_id, targetsByPriority=[low, high]).field == own
    assert refusal(team, agent_id, targetResponseMinutes=525_600).field == TARGET
    team.key.settings(agent_id, sla={"atRiskPercent": 70})


def read(time: str) -> datetime:
    return datetime.fromisoformat(time)


def consistent(sla: dict[str, Any], hours: Hours) -> None:
    """Every time of the clock follows from its start, target and percent (80) by `hours`."""
    start, due, target = read(sla["startedAt"]), read(sla["dueAt"]), timedelta(minutes=sla["targetMinutes"])
    assert due == hours.add(start, target)
    assert read(sla["atRiskAt"]) == hours.add(start, target * 4 / 5)
    spans = [
        (read(segment["from"]), read(segment["to"]), segment["running"], segment["label"])
        for segment in sla["segments"]
    ]
    assert spans == [
        (segment.start, segment.end, segment.running, segment.label) for segment in hours.segments(start, due)
    ]
    assert (spans[0][0], spans[-1][1], spans[-1][2]) == (start, due, True)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert sum((to - from_ for from_, to, running, _ in spans if running), timedelta(0)) == target


def test_clock_stands_until_opening_and_resumes_a_week_later(team: Workspace) -> None:
    day = DAYS[(datetime.now(UTC) + 3 * DAY).weekday()]
    hours = document((day.value, "10:00", "11:00"))
    talk = Talk.begin(
        team, sla={"targetResponseMinutes": 90, "businessHours": {"week": hours["week"], "timezone": "UTC"}}
    )
    talk.presses()
    sla = talk.escalation["sla"]
    start = read(sla["startedAt"])
    opens = start.replace(hour=10, minute=0, second=0, microsecond=0)
    opens += (DAYS.index(day) - start.weekday()) % 7 * DAY
    assert read(sla["atRiskAt"]) == opens + 7 * DAY + HOUR / 5
    assert read(sla["dueAt"]) == opens + 7 * DAY + HOUR / 2
    assert [(segment["running"], segment["label"], read(segment["from"])) for segment in sla["segments"]] == [
        (False, "closed", start),
        (True, "business_hours", opens),
        (False, "closed", opens + HOUR),
        (True, "business_hours", opens + 7 * DAY),
    ]
    assert (sla["remainingMinutes"], sla["status"], sla["outcome"]) == (90, "ON_TRACK", "RUNNING")
    consistent(sla, hours_of(hours))


def test_holiday_is_named_where_the_clock_stands(team: Workspace) -> None:
    today = datetime.now(UTC).date()
    given: dict[str, Any] = {"holidays": days_off(today + 2 * DAY, 2, 2 * DAY)}
    talk = Talk.begin(team, sla={"targetResponseMinutes": 4_320, "businessHours": given})
    talk.presses()
    before = datetime.now(UTC)
    sla = talk.escalation["sla"]
    labels = [segment["label"] for segment in sla["segments"]]
    assert labels == ["business_hours", "day off 0", "business_hours", "day off 1", "business_hours"]
    hours = hours_of(document(**given))
    consistent(sla, hours)
    due = read(sla["dueAt"])
    latest, earliest = (hours.between(at, due) / timedelta(minutes=1) for at in (before, datetime.now(UTC)))
    assert earliest <= sla["remainingMinutes"] <= latest


def test_new_priority_uses_the_hours_stored_with_the_clock(team: Workspace) -> None:
    urgent = [{"priority": "URGENT", "targetResponseMinutes": 1_000}]
    sla = {"targetResponseMinutes": 120, "targetsByPriority": urgent, "businessHours": OFFICE}
    talk = Talk.begin(team, sla=sla)
    talk.presses()
    begun = talk.escalation
    old = hours_of(
        document(
            timezone="Europe/Berlin",
            week=OFFICE["week"],
            holidays=OFFICE["holidays"],
            holiday_calendar="DE-BY",
        )
    )
    consistent(begun["sla"], old)

    new = {"timezone": "Asia/Tokyo", "week": HOURLY, "holidays": [], "holidayCalendar": None}
    team.key.settings(talk.agent_id, sla={"businessHours": new, "targetsByPriority": []})
    assert talk.escalation["sla"]["dueAt"] == begun["sla"]["dueAt"]
    talk.key.ask(UPDATE, input={"escalationId": begun["id"], "priority": "URGENT"})
    changed = talk.escalation["sla"]
    assert (changed["startedAt"], changed["targetMinutes"]) == (begun["sla"]["startedAt"], 1_000)
    consistent(changed, old)

    later = Talk(team, talk.agent_id, talk.key.start(talk.agent_id))
    later.presses()
    consistent(later.escalation["sla"], hours_of(document(timezone="Asia/Tokyo", week=HOURLY)))


@pytest.mark.parametrize(
    ("template", "hours", "words"),
    [
        (None, {"week": week(*WORKING)}, f"{BEGUN} 2 hours during business hours."),
        (None, {"holidayCalendar": "FR"}, f"{BEGUN} 2 hours."),
        (
            "We answer {business_hours}.",
            {"timezone": "Europe/Berlin", "week": week(*WORKING)},
            "We answer Monday to Friday 09:00 to 17:00 (Europe/Berlin time).",
        ),
        ("We answer {business_hours}.", {}, "We answer around the clock."),
    ],
)
def test_confirmation_for_the_customer_states_the_business_hours(
    team: Workspace, template: str | None, hours: dict[str, Any], words: str
) -> None:
    widget = {"confirmationMessage": template} if template else {}
    talk = Talk.begin(team, sla={"businessHours": hours}, widget=widget)
    assert talk.presses()["confirmationMessage"] == words
    assert talk.notices == [words]


def test_clock_runs_in_business_hours() -> None:
    friday, monday = datetime(2026, 3, 6, 16, 30, tzinfo=UTC), datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
    clock = start_clock(friday, 60, 50, document(*WORKING))
    assert (clock.at_risk_at, clock.due_at) == (datetime(2026, 3, 6, 17, tzinfo=UTC), monday)
    assert clock.remaining_minutes(friday + DAY) == 30
    assert clock.remaining_minutes(monday + DAY) == -480
    assert clock.segments() == hours_of(document(*WORKING)).segments(friday, monday)


def test_clock_state_is_read_without_its_hours() -> None:
    now = datetime(2026, 3, 6, tzinfo=UTC)
    clock = Clock(60, now - HOUR, now, now + HOUR, business_hours={})
    assert clock.status(now) is SlaStatus.AT_RISK
    with pytest.raises(KeyError):
        clock.segments()


def test_accepted_document_stays_valid() -> None:
    hours = document(timezone="localtime", holiday_calendar="XX")
    sla = EscalationSettings.model_validate({"sla": {"business_hours": hours}}).sla
    assert sla.business_hours.model_dump(mode="json") == hours
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert start_clock(start, 60, 80, hours | {"timezone": "UTC"}).due_at == start + HOUR


def test_clock_that_cannot_end_is_due_after_ten_years() -> None:
    start = datetime(9_980, 1, 1, tzinfo=UTC)
    clock = start_clock(start, 525_600, 80, document(("MONDAY", "09:00", "10:00")))
    assert clock.at_risk_at == clock.due_at == start + MAX_SLA_HORIZON


@pytest.mark.parametrize(
    ("times", "timezone", "words"),
    [
        (WORKING[:1], "UTC", "Monday 09:00 to 17:00 (UTC)"),
        (WORKING[:2], "America/New_York", "Monday and Tuesday 09:00 to 17:00 (America/New York time)"),
        (WORKING[::2], "UTC", "Monday, Wednesday and Friday 09:00 to 17:00 (UTC)"),
        (
            [*WORKING, ("SATURDAY", "10:00", "00:00")],
            "UTC",
            "Monday to Friday 09:00 to 17:00; Saturday 10:00 to 24:00 (UTC)",
        ),
        (
            [*WORKING[:3], *every(DAYS[:3], "17:30", "18:00")],
            "UTC",
            "Monday to Wednesday 09:00 to 17:00 and 17:30 to 18:00 (UTC)",
        ),
        ([*WORKING, *every(DAYS[:5], "16:30", "18:00")], "UTC", "Monday to Friday 09:00 to 18:00 (UTC)"),
        (
            every([*DAYS[:4], DAYS[6]], "22:00", "06:00"),
            "UTC",
            "Sunday to Thursday 22:00 to 06:00 the next day (UTC)",
        ),
        (every(DAYS[5:], "00:00", "24:00"), "UTC", "Saturday and Sunday all day (UTC)"),
        (every(DAYS, "08:00", "20:00"), "UTC", "every day 08:00 to 20:00 (UTC)"),
        (every(DAYS, "08:00", "08:00"), "UTC", AROUND_THE_CLOCK),
    ],
)
def test_business_hours_are_described_in_words(times: list[Interval], timezone: str, words: str) -> None:
    assert business_hours_in_words(document(*times, timezone=timezone)) == words
