"""Services on the databases of tests. They stay open: opening them costs more than a workspace."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from models.row_security import is_protected
from resolvers.context import Services
from server.services import open_services
from server.settings import Settings
from tests.support.known_passwords import KnownPasswords

_PASSWORDS = KnownPasswords()
_OPEN = AsyncExitStack()
_services: dict[str, Services] = {}


async def kept_services(data_dir: Path, service_url: str) -> Services:
    """Return the services on a database, in the loop of `tests.support.database_connections`."""
    if service_url not in _services:
        protected = await is_protected(service_url)
        settings = Settings(data_dir=data_dir, database_url=service_url, row_level_security=protected)
        opened = await _OPEN.enter_async_context(open_services(settings, service_url, live=False))
        _services[service_url] = replace(opened.services, passwords=_PASSWORDS)
    return _services[service_url]
