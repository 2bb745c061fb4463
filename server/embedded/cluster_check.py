"""Checks of the database's files, so that a lost database is never replaced by an empty one."""

import os

from server.embedded.location import ClusterLocation, EmbeddedPostgresError

PROGRAM_MAJOR = "18"
MARKER = "postgres.made"
_NOTE = (
    "A database was made in the folder `postgres` next to this file. While this file exists, Baton does not "
    "make another one.\n"
)


def check_cluster(location: ClusterLocation) -> None:
    """Raise EmbeddedPostgresError if a database was made here that cannot be used now. Change nothing."""
    cluster, marker = location.cluster, location.home / MARKER
    if not os.path.lexists(cluster):
        if marker.exists():
            raise EmbeddedPostgresError(
                f"The database in {cluster} is missing. Put the folder back, mount its volume, or restore it "
                f"from a backup. Delete {marker} only to start with a new and empty database."
            )
        return
    if not location.has_cluster:
        raise EmbeddedPostgresError(
            f"{cluster} exists and holds no database: PG_VERSION is missing. Mount its volume, or restore it "
            "from a backup. To start with a new and empty database, move the folder away and delete "
            f"{marker}."
        )
    _check_owner(location)
    _check_version(location)


def mark_cluster(location: ClusterLocation) -> None:
    """Note that a database was made here."""
    marker = location.home / MARKER
    if not marker.exists():
        marker.write_text(_NOTE)


def _check_owner(location: ClusterLocation) -> None:
    owner = location.cluster.stat().st_uid
    expected = location.account.uid if location.account else os.geteuid()
    if owner != expected:
        raise EmbeddedPostgresError(
            f"{location.cluster} belongs to the account with id {owner}, and PostgreSQL would run as the "
            f"account with id {expected}. Run Baton as the owner, or run `chown -R {expected} "
            f"{location.cluster}` as root."
        )


def _check_version(location: ClusterLocation) -> None:
    version = (location.cluster / "PG_VERSION").read_text(errors="replace").strip()
    if version != PROGRAM_MAJOR:
        raise EmbeddedPostgresError(
            f"{location.cluster} was made by PostgreSQL {version or 'of an unknown version'}, and this Baton "
            f"brings PostgreSQL {PROGRAM_MAJOR}. Dump it with the Baton that made it (`baton pg pg_dump`), "
            "and restore the dump into a new data folder with this one; or set a database URL."
        )
