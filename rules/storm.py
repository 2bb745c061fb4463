"""Storms: more notices of one AI agent in an interval than people should get as single mails."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class StormLimit:
    """The number of notices in an interval that are mailed one by one."""

    notices: int = 10
    interval: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class NoticeCount:
    """The notices of one AI agent in the interval that began at `since`.

    `continues`: the interval before had more than the limit, so none of this one is mailed singly.
    """

    since: datetime
    notices: int = 0
    continues: bool = False

    def is_storm(self, limit: StormLimit) -> bool:
        """Return whether the latest notice belongs in a digest."""
        return self.continues or self.notices > limit.notices

    def next(self, now: datetime, limit: StormLimit) -> "NoticeCount":
        """Return the count after one more notice at `now`.

        An interval begins with a notice. During a storm it begins where the one before ended, so that there
        is one digest for each interval. An interval at or below the limit ends the storm.
        """
        end = self.since + limit.interval
        if now < end:
            return NoticeCount(self.since, self.notices + 1, self.continues)
        if self.notices > limit.notices and now < end + limit.interval:
            return NoticeCount(end, 1, continues=True)
        return NoticeCount(now, 1)
