"""Resealing of stored secrets with the newest secret key, for the operator."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select

from models.identity_secret import IdentitySecret
from models.member import Member
from models.slack_connection import SlackConnection
from models.webhook_endpoint import WebhookEndpoint
from resolvers.context import Services

_BATCH = 200

# Every table with sealed columns, its key, and these columns. Each row has a `purpose`.
_SEALED: Sequence[tuple[Any, Any, tuple[str, ...]]] = (
    (SlackConnection, SlackConnection.agent_id, ("token",)),
    (WebhookEndpoint, WebhookEndpoint.id, ("secret", "previous_secret")),
    (IdentitySecret, IdentitySecret.agent_id, ("secret", "previous")),
    (Member, Member.id, ("totp_secret",)),
)


async def reseal_secrets(services: Services) -> int:
    """Seal every stored secret with the newest key, and return how many were sealed with another one.

    Raises UnreadableSecretError for a secret whose key is missing; what was resealed before stays so.
    """
    resealed = 0
    for table, key, columns in _SEALED:
        last = None
        while True:
            rows = select(table).order_by(key).limit(_BATCH).with_for_update()
            batch = rows if last is None else rows.where(key > last)
            last, count = await _reseal_batch(services, batch, key, columns)
            resealed += count
            if last is None:
                break
    return resealed


async def _reseal_batch(
    services: Services, batch: Select[Any], key: Any, columns: Sequence[str]
) -> tuple[Any, int]:
    """Reseal some rows; return the key of the last one, or None if there is no row, and the count."""
    async with services.transactions.begin() as tx:
        rows = list(await tx.session.scalars(batch))
        await tx.read_clock()
        changed = [_reseal(services, row, column) for row in rows for column in columns]
        return (getattr(rows[-1], key.key) if rows else None), sum(changed)


def _reseal(services: Services, row: Any, column: str) -> bool:
    sealed, seal = getattr(row, column), services.seal
    if sealed is None or seal.is_current(sealed):
        return False
    setattr(row, column, seal.seal(seal.open(sealed, row.purpose), row.purpose))
    return True
