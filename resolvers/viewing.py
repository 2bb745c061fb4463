"""Team members who have a conversation open."""

from datetime import timedelta
from uuid import UUID

from realtime.viewings import VIEWING_SECONDS, VIEWINGS_CHANGED, store_viewing
from resolvers.context import Context
from resolvers.permissions import permitted
from resolvers.rate_limits import VIEWING
from resolvers.visibility import CONVERSATION, MEMBER


@permitted("setViewing", CONVERSATION)
async def set_viewing(context: Context, conversation_id: UUID, viewing: bool) -> None:
    """Store that the caller has the conversation open for the next 30 s, or has left it.

    Raises RateLimitedError after 20 calls of a member in a second.
    """
    actor, services = context.actor, context.services
    await CONVERSATION.require_visible(context.database, actor, conversation_id)
    assert actor.member_id is not None  # the permission admits only team members
    await services.rate_limiter.acquire(VIEWING, str(actor.member_id))
    async with services.transactions.begin() as tx:
        # The lock orders the calls of one member.
        await MEMBER.lock(tx, actor, actor.member_id)
        now = await tx.read_clock()
        ends_at = now + timedelta(seconds=VIEWING_SECONDS) if viewing else now
        changed = await store_viewing(tx.session, actor.member_id, conversation_id, ends_at, now)
    if changed:
        services.pubsub.publish_wakeup(VIEWINGS_CHANGED)
