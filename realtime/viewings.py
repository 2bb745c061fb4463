"""Viewings: which team members have a conversation open, in the same view for every process.

The table is the truth. Every process that has followers reads it every 2 s, and after a wake-up, and pushes
what has changed to the followers of the conversations concerned. So a lost wake-up costs 2 s, and a view
that is not repeated ends for the followers of all processes.
"""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from models.compiled_select import CompiledSelect
from models.database import DATABASE_ERRORS
from models.viewing import Viewing
from realtime.feed import Feed
from realtime.pubsub import Wakeup

VIEWING_SECONDS = 30.0
# A view that has ended is kept this long, so that every process pushes its end.
_KEPT = timedelta(minutes=1)
# Of one member, in any number of windows. The views that end first are deleted.
VIEWINGS_OF_MEMBER = 20
POLL_SECONDS = 2.0
# Many changes within it are read together.
_GATHER_SECONDS = 0.1

# No stream of the log: a wake-up of it says that a view began or ended.
_STREAM = UUID(int=0)
VIEWINGS_CHANGED = Wakeup(_STREAM, 0)

_logger = structlog.get_logger(__name__)


async def store_viewing(
    session: AsyncSession, member_id: UUID, conversation_id: UUID, ends_at: datetime, now: datetime
) -> bool:
    """Store that a member's view of a conversation ends at `ends_at`; return whether it began or ended.

    The caller holds the lock of the member's row.
    """
    own = Viewing.member_id == member_id
    before: datetime | None = await session.scalar(
        select(Viewing.ends_at).where(own, Viewing.conversation_id == conversation_id)
    )
    added = insert(Viewing).values(member_id=member_id, conversation_id=conversation_id, ends_at=ends_at)
    await session.execute(
        added.on_conflict_do_update(
            index_elements=[Viewing.member_id, Viewing.conversation_id], set_={"ends_at": ends_at}
        )
    )
    newest = select(Viewing.conversation_id).where(own).order_by(Viewing.ends_at.desc())
    surplus = newest.offset(VIEWINGS_OF_MEMBER).scalar_subquery()
    await session.execute(
        delete(Viewing).where(own, (Viewing.ends_at < now - _KEPT) | Viewing.conversation_id.in_(surplus))
    )
    return (before is not None and before > now) != (ends_at > now)


_RECENT = CompiledSelect(
    select(Viewing.conversation_id, Viewing.member_id, Viewing.ends_at > func.clock_timestamp()).where(
        Viewing.ends_at > func.clock_timestamp() - _KEPT
    )
)


async def follow_viewings(feed: Feed) -> None:
    """Push the changes of views to the followers of this process, until cancelled."""
    changed = asyncio.Event()
    feed.listen(_STREAM, changed)
    while True:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await changed.wait()
            await asyncio.sleep(_GATHER_SECONDS)
        except TimeoutError:
            pass
        changed.clear()
        if feed.followed:
            try:
                feed.show_viewers(await _recent(feed))
            except DATABASE_ERRORS as error:
                _logger.warning("viewings.read_failed", error=type(error).__name__)


async def _recent(feed: Feed) -> dict[UUID, dict[UUID, bool]]:
    """Return whether each recent view still counts, by conversation and member."""
    views: dict[UUID, dict[UUID, bool]] = defaultdict(dict)
    for conversation_id, member_id, counts in await _RECENT.rows(feed.database):
        views[conversation_id][member_id] = counts
    return views
