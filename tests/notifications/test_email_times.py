"""Times in emails: in the zone of the AI agent's schedule, and unmistakable."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from notifications.email.compose import compose_digest
from tests.support.email_samples import AT, SENDER, TEAM, composed, create_story, page_of, read


def test_times_from_any_zone_are_in_utc() -> None:
    zone = timezone(timedelta(hours=-7))
    from_afar = [item.astimezone(zone) for item in (AT, AT + timedelta(hours=2))]
    story = replace(create_story(created_at=from_afar[0], due_at=from_afar[1]), occurred_at=from_afar[0])
    assert composed(story).as_bytes() == composed(create_story()).as_bytes()


def test_time_that_comes_twice_has_its_offset() -> None:
    # Clocks are put back from 03:00 to 02:00 in this hour.
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    story = create_story(created_at=first, due_at=second)
    berlin = replace(story, occurred_at=first, time_zone="Europe/Berlin")
    page = page_of(composed(berlin))
    facts = dict(zip(page.texts["th"], page.texts["td"], strict=True))
    assert facts["Raised"] == "25 October 2026, 02:30 (UTC+02:00) Europe/Berlin"
    assert facts["First reply due"].startswith("25 October 2026, 02:30 (UTC+01:00) Europe/Berlin")
    digest = read(
        compose_digest(
            [berlin],
            id="dlv_9",
            sender=SENDER,
            recipient=TEAM,
            agent_name="Support AI",
            since=first,
            until=second,
            include_transcript=False,
        )
    )
    span = "02:30 (UTC+02:00) to 02:30 (UTC+01:00) Europe/Berlin on 25 October 2026"
    assert span in digest["Subject"]
    assert span in page_of(digest).texts["lead"][0]
