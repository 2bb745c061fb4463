"""The conversations of one customer, for erasure and export."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CompoundSelect, Select, Uuid, func, literal, select, union

from models.agent import Agent
from models.conversation import Conversation
from models.words import folded
from resolvers.context import Context
from resolvers.errors import BadInputError
from resolvers.validation import check_email, check_key


async def without_policy(context: Context, ids: Select[UUID] | CompoundSelect[UUID]) -> Select[UUID]:
    """Return a select of the same ids, which must name their workspace.

    Under a policy their conditions would use no index. So with row-level security the ids are looked up
    without one, and what is read by them is under the policies.
    """
    wide = context.across_workspaces()
    if wide is context:
        own = ids.subquery()
        return select(own.c.id)
    async with wide.list_session() as session:
        conversations = list(await session.scalars(ids))
    return select(func.unnest(literal(conversations, ARRAY(Uuid))).column_valued("id"))


def conversations_of_customer(
    workspace_id: UUID, external_id: str | None, email: str | None
) -> CompoundSelect[UUID]:
    """Select the ids of the conversations of a customer, given by external id, email address or both.

    A conversation with either is the customer's. External ids are compared exactly, email addresses without
    regard to case. Raises BadInputError if neither is given, or for one that cannot be stored.
    """
    if external_id is None and email is None:
        raise BadInputError("externalId", "or email is needed")
    check_key("external_id", external_id)
    if email is not None:
        check_email("email", email)
    in_workspace = select(Conversation.id).where(Conversation.workspace_id == workspace_id)
    parts: list[Select[Any]] = []
    if external_id is not None:
        # The folded form is indexed.
        parts.append(
            in_workspace.where(
                folded(Conversation.customer_external_id) == folded(external_id),
                Conversation.customer_external_id == external_id,
            )
        )
        agents = select(Agent.id).where(Agent.workspace_id == workspace_id)
        parts.append(
            in_workspace.where(
                Conversation.agent_id.in_(agents), Conversation.customer_subject == external_id
            )
        )
    if email is not None:
        parts.append(in_workspace.where(folded(Conversation.customer_email) == folded(email)))
    return union(*parts)
