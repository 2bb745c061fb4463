"""Recipients of emails: which addresses are confirmed, and requests to confirm one.

An address is confirmed by a link in a mail to it, as that of a member with a password, or by its domain.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models.delivery import DeliveryTarget
from models.member import Member
from models.sealing import Seal, UnreadableSecretError
from models.workspace import Workspace
from realtime.delivery_queue import TargetKey, pending_delivery, schedule_delivery
from realtime.transaction import Transaction
from rules.delivery import DeliveryChannel
from rules.email_address import address_key, has_domain
from rules.encoding import decode_base64url, encode_base64url
from rules.events import CONFIRMATION

# Between two mails that ask one address of a workspace for its confirmation.
CONFIRMATION_PAUSE = timedelta(days=1)
CONFIRMATION_LIFETIME = timedelta(days=7)

_PURPOSE = "confirmation of a recipient"


async def unconfirmed(
    session: AsyncSession, workspace_id: UUID, addresses: Iterable[str], domains: Collection[str]
) -> list[str]:
    """Return the addresses that must be confirmed before they get notifications."""
    doubtful = [address for address in addresses if not has_domain(address, domains)]
    if not doubtful:
        return []
    keys = await session.scalars(
        select(DeliveryTarget.key).where(
            DeliveryTarget.workspace_id == workspace_id,
            DeliveryTarget.channel == DeliveryChannel.EMAIL,
            DeliveryTarget.key.in_([address_key(address) for address in doubtful]),
            DeliveryTarget.confirmed_at.is_not(None),
        )
    )
    members = await session.scalars(_members(workspace_id).where(Member.password_hash.is_not(None)))
    confirmed = {*keys, *map(address_key, members)}
    return [address for address in doubtful if address_key(address) not in confirmed]


async def is_member(session: AsyncSession, workspace_id: UUID, address: str) -> bool:
    """Return whether the address is that of a current team member."""
    members = await session.scalars(_members(workspace_id))
    return address_key(address) in map(address_key, members)


def _members(workspace_id: UUID) -> Select[str]:
    return select(Member.email).where(Member.workspace_id == workspace_id, Member.removed_at.is_(None))


def request_confirmation(tx: Transaction, target: DeliveryTarget, agent_id: UUID, address: str) -> None:
    """Send the locked target a mail with a link that confirms its address, at most once a day."""
    if target.confirmation_sent_at and target.confirmation_sent_at > tx.now - CONFIRMATION_PAUSE:
        return
    target.confirmation_sent_at = tx.now
    key = TargetKey.email(address)
    tx.session.add(pending_delivery(tx, target.workspace_id, target.id, key, CONFIRMATION, agent_id=agent_id))
    schedule_delivery(tx, target, tx.now)


async def find_recipient(session: AsyncSession, target_id: UUID) -> tuple[DeliveryTarget, str] | None:
    """Return the target of an email address with the name of its workspace."""
    rows = await session.execute(
        select(DeliveryTarget, Workspace.name)
        .join(Workspace, Workspace.id == DeliveryTarget.workspace_id)
        .where(DeliveryTarget.id == target_id, DeliveryTarget.channel == DeliveryChannel.EMAIL)
    )
    return rows.tuples().one_or_none()


async def confirm_recipient(tx: Transaction, target_id: UUID) -> None:
    """Record that the holder of the target's address confirmed it; again changes nothing."""
    now = await tx.read_clock()
    await tx.session.execute(
        update(DeliveryTarget)
        .where(DeliveryTarget.id == target_id, DeliveryTarget.confirmed_at.is_(None))
        .values(confirmed_at=now)
    )


def confirmation_token(seal: Seal, target_id: UUID, now: datetime) -> str:
    """Return the token of the link that confirms a target's address."""
    ends = int((now + CONFIRMATION_LIFETIME).timestamp())
    return encode_base64url(seal.seal(f"{target_id} {ends}", _PURPOSE))


def target_of_confirmation(seal: Seal, token: str, now: datetime) -> UUID | None:
    """Return the target that a token confirms, or None for a token that is damaged or has ended."""
    try:
        target_id, _, ends = seal.open(decode_base64url(token), _PURPOSE).partition(" ")
    except (ValueError, UnreadableSecretError):
        return None
    return UUID(target_id) if int(ends) > now.timestamp() else None
