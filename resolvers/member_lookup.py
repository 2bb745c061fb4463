"""Look-up of team members by email."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from models.member import Member
from models.words import folded
from resolvers.errors import BadInputError
from rules.email_address import email_address_error


async def member_of_email(session: AsyncSession, workspace_id: UUID, field: str, email: str) -> Member:
    """Return the current member with this email, in any case; raises BadInputError for `field`."""
    member: Member | None = None
    if not email_address_error(email):
        member = await session.scalar(
            select(Member).where(
                Member.workspace_id == workspace_id,
                folded(Member.email) == folded(email),
                Member.removed_at.is_(None),
            )
        )
    if member is None:
        raise BadInputError(field, "is not the email of a team member")
    return member
