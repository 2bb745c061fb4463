"""The release of the embedded PostgreSQL, and its age: a wheel is not updated by the system."""

import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

# From https://www.postgresql.org/docs/release/. A test checks that the pinned wheel's release is listed.
RELEASED = {
    "18.0": date(2025, 9, 25),
    "18.1": date(2025, 11, 13),
    "18.2": date(2026, 2, 12),
    "18.3": date(2026, 2, 26),
    "18.4": date(2026, 5, 14),
}
OLD_DAYS = 365


@dataclass(frozen=True, slots=True)
class Release:
    """A version of PostgreSQL, and the day of its release if it is listed."""

    version: str
    released: date | None

    def age_days(self, today: date | None = None) -> int | None:
        """Return the days since the release, or None for an unlisted version."""
        if self.released is None:
            return None
        return ((today or datetime.now(UTC).date()) - self.released).days

    def is_old(self, today: date | None = None) -> bool:
        """Return whether the release is older than a year: four rounds of fixes are missing."""
        age = self.age_days(today)
        return age is not None and age > OLD_DAYS


def embedded_release(install: Path) -> Release:
    """Return the release of the PostgreSQL in a folder."""
    command = [str(install / "bin" / "postgres"), "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - a program of the wheel
    version = ended.stdout.split()[2]
    return Release(version, RELEASED.get(version))
