"""Databases of servers of tests: copies of one that each process of the tests makes and migrates once."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from server.embedded.location import ClusterLocation, cluster_location
from server.embedded.postgres import EmbeddedPostgres, embedded_postgres
from server.services import DatabaseUrls, prepare
from tests.support.baton_process import ROW_SECURITY
from tests.support.database_connections import run

_folders: list[Path] = []


def remove_original() -> None:
    """Remove the database that was copied. Not every process of tests calls exit functions."""
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


@contextmanager
def copied_database(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Run the PostgreSQL of `data_dir`; a new one is a copy, which takes half the time of making it."""
    location = cluster_location(data_dir)
    if not location.has_cluster:
        # Under another name first: a cluster has its name when it is complete.
        fresh = location.home / "postgres.copy"
        subprocess.run(["cp", "-a", _original().cluster, fresh], check=True)
        fresh.rename(location.cluster)
    with embedded_postgres(data_dir) as postgres:
        yield postgres


@cache
def _original() -> ClusterLocation:
    folder = Path(mkdtemp(prefix="baton-original-"))
    _folders.append(folder)
    folder.chmod(0o711)
    with embedded_postgres(folder) as postgres:
        urls = postgres.owner_url, postgres.service_url, postgres
        run(prepare(DatabaseUrls(*urls, row_security=ROW_SECURITY)))
    return cluster_location(folder)
