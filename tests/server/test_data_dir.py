"""The data folder is made for its account only."""

import os
import stat
from datetime import date
from pathlib import Path

from server.data_dir import make_data_dir, openness
from server.embedded.location import cluster_location
from server.embedded.release import RELEASED, Release, embedded_release
from server.secret_key import kept_secret_key


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_data_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    make_data_dir(folder)
    # As root the account of the embedded PostgreSQL passes through it.
    assert mode_of(folder) == (0o711 if os.geteuid() == 0 else 0o700)
    assert openness(folder) is None


def test_secret_key_makes_a_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    kept_secret_key(folder)
    assert openness(folder) is None


def test_existing_folder_keeps_its_mode_and_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for mode in (0o755, 0o750, 0o777, 0o702):
        folder.chmod(mode)
        make_data_dir(folder)
        assert mode_of(folder) == mode
        assert f"{mode:04o}" in (openness(folder) or "")


def test_missing_folder_is_not_reported(tmp_path: Path) -> None:
    assert openness(tmp_path / "nothing") is None


def test_release_of_the_pinned_wheel_is_listed(data_dir: Path) -> None:
    release = embedded_release(cluster_location(data_dir).install)
    assert release.version in RELEASED
    assert release.age_days() is not None


def test_release_is_old_after_a_year() -> None:
    release = Release("18.4", date(2026, 5, 14))
    assert release.age_days(date(2026, 5, 24)) == 10
    assert not release.is_old(date(2027, 5, 14))
    assert release.is_old(date(2027, 5, 16))
    assert not Release("99.9", None).is_old()
