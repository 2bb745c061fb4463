"""The planner: follows each workspace's log and inserts the deliveries of its events.

Pages are read with their recipients by one statement, without a lock. A page without recipients needs one
more statement, which moves the position. Otherwise the position, the deliveries and their jobs are
written in one transaction, if the position is still that of the page. So each event is planned once.
"""

from uuid import UUID

from sqlalchemy import select

from models.delivery import Delivery
from models.planned_log import PlannedLog
from notifications.mails import single_mails
from notifications.pages import Event, Page
from realtime.delivery_queue import TargetKey, lock_targets, pending_delivery, schedule_delivery
from realtime.transaction import Transaction, Transactions
from rules.mail_limits import MailLimits


async def plan(transactions: Transactions, page: Page, limits: MailLimits) -> None:
    """Plan the deliveries of a page, unless another planner plans it or has planned it."""
    async with transactions.begin() as tx:
        planned = await tx.session.scalar(
            select(PlannedLog)
            .where(PlannedLog.workspace_id == page.workspace_id, PlannedLog.position == page.planned)
            .with_for_update(skip_locked=True)
        )
        if planned is None:
            return
        await tx.read_clock()
        await _plan_events(tx, planned, page, limits)
        planned.position = page.last


async def _plan_events(tx: Transaction, planned: PlannedLog, page: Page, limits: MailLimits) -> None:
    mails = await single_mails(tx, planned, page.notices, limits) if page.notices else []
    by_position = {event.entry.position: event for event, _ in page.events}
    due = [(by_position[notice.entry.position], key) for notice, key in mails] + page.targets
    if not due:
        return
    targets = await lock_targets(tx, planned.workspace_id, [key for _, key in due])
    for event, key in due:
        tx.session.add(_delivery(tx, event, key, planned.workspace_id, targets[key].id))
    for target in targets.values():
        schedule_delivery(tx, target, tx.now)


def _delivery(tx: Transaction, event: Event, key: TargetKey, workspace_id: UUID, target_id: UUID) -> Delivery:
    return pending_delivery(
        tx,
        workspace_id,
        target_id,
        key,
        event.type,
        agent_id=event.agent_id,
        change=event.change,
        position=event.entry.position,
        escalation_id=event.id_of("escalation"),
        conversation_id=event.id_of("conversation"),
        message_id=event.id_of("message"),
        epoch=event.entry.data.get("epoch"),
        occurred_at=event.entry.occurred_at,
    )
