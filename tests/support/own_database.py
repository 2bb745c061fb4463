"""A database of a test's own, in the PostgreSQL of the shared server."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from models.ids import new_id
from tests.support.baton_client import Server


@contextmanager
def own_database(server: Server) -> Iterator[Server]:
    """Yield an empty database that belongs to the role of migrations, with a data folder and no process."""
    name = f"own_{new_id().hex}"
    folder = server.data_dir / name
    folder.mkdir()
    admin = Server(server.data_dir, server.owner_url.replace("baton_owner@/baton", "postgres@/postgres"), "")
    admin.execute(f"CREATE DATABASE {name} OWNER baton_owner")
    owner, service = (
        urlunsplit(urlsplit(url)._replace(path=f"/{name}")) for url in (server.owner_url, server.service_url)
    )
    own = Server(folder, owner, service)
    try:
        yield own
    finally:
        own.stop()
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
