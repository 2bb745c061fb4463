"""Identifiers of new rows."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Return a new UUIDv7; such ids sort by their time."""
    return uuid_utils.compat.uuid7()
