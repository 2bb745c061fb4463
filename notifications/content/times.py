"""Times of day in the time zone of an AI agent, as people read them."""

from datetime import datetime
from zoneinfo import ZoneInfo


def local(instant: datetime, zone: str) -> datetime:
    """Return an instant as a local time of the zone."""
    return instant.astimezone(ZoneInfo(zone))


def clock_time(at: datetime) -> str:
    """Return the time of day of a local time: “14:30”.

    A time that its zone has twice, since clocks were put back, has its offset: “02:30 (UTC+01:00)”.
    """
    is_twice = at.replace(fold=0).utcoffset() != at.replace(fold=1).utcoffset()
    offset = f" (UTC{at.isoformat()[-6:]})" if is_twice else ""
    return f"{at:%H:%M}{offset}"
