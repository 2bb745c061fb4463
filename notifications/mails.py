"""Mails about events: sent one by one, or put into a digest when there are too many.

A storm is more notices of one AI agent in an interval than the limit: the rest goes into one digest for each
interval. URGENT escalations are mailed singly even then. What exceeds the limit of a recipient or a workspace
in an hour goes into the digest of that hour.

Only the planner writes the counts, and it holds the lock of the workspace's planned log. Digests are locked
before targets: in the order in which a digest's own timer locks them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import select, update

from models.delivery import DeliveryTarget
from models.digest import MailedNotices
from models.escalation import Escalation
from models.planned_log import PlannedLog
from notifications.digests import HOUR, DigestKey, add_to_digest
from realtime.delivery_queue import TargetKey, find_targets
from realtime.log import Entry
from realtime.transaction import Transaction
from rules.agent_settings import EmailFrequency, EmailNotifications
from rules.escalation import Priority
from rules.events import LIMIT_DIGEST, STORM_DIGEST
from rules.mail_limits import MailLimits
from rules.storm import NoticeCount, StormLimit
from rules.typeid import WORKSPACE, format_id

_LIMITED = Counter(
    "baton_mails_limited_total",
    "Mails about events that went into a digest, by the limit that held.",
    ["limit"],
)
# Shown as 0 before the first, so that alerts can compare.
for _limit in ("recipient", "workspace"):
    _LIMITED.labels(_limit)

_logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """An event of which the recipients of `email` are notified."""

    agent_id: UUID
    entry: Entry
    escalation_id: UUID
    email: EmailNotifications


Mail = tuple[Notice, TargetKey]


async def single_mails(
    tx: Transaction, planned: PlannedLog, notices: Sequence[Notice], limits: MailLimits
) -> list[Mail]:
    """Return the mails that are sent one by one. The other notices are added to digests."""
    immediate = []
    for notice in notices:
        if notice.email.frequency is EmailFrequency.HOURLY_DIGEST:
            await _add(tx, notice, DigestKey.hourly(notice.agent_id, tx.now))
        else:
            immediate.append(notice)
    single = await _outside_storms(tx, immediate, limits.storm)
    mails = [(notice, key) for notice in single for key in TargetKey.emails(notice.email.recipients)]
    return await _within_limits(tx, planned, mails, limits) if mails else []


async def _outside_storms(tx: Transaction, notices: Sequence[Notice], limit: StormLimit) -> list[Notice]:
    counts = await _notice_counts(tx, {notice.agent_id for notice in notices})
    stormy: dict[int, DigestKey] = {}
    for notice in notices:
        before = counts.get(notice.agent_id)
        count = before.next(tx.now, limit) if before else NoticeCount(tx.now, 1)
        counts[notice.agent_id] = count
        if count.is_storm(limit):
            due_at = count.since + limit.interval
            stormy[notice.entry.position] = DigestKey(notice.agent_id, STORM_DIGEST, count.since, due_at)
    for agent_id, count in counts.items():
        row = MailedNotices(
            agent_id=agent_id, since=count.since, notices=count.notices, continues=count.continues
        )
        await tx.session.merge(row)
    urgent = await _urgent(tx, [notice for notice in notices if notice.entry.position in stormy])
    single = []
    for notice in notices:
        digest = stormy.get(notice.entry.position)
        if digest is None or notice.escalation_id in urgent:
            single.append(notice)
        else:
            await _add(tx, notice, digest)
    return single


async def _notice_counts(tx: Transaction, agent_ids: Iterable[UUID]) -> dict[UUID, NoticeCount]:
    rows = await tx.session.scalars(select(MailedNotices).where(MailedNotices.agent_id.in_(list(agent_ids))))
    return {row.agent_id: NoticeCount(row.since, row.notices, row.continues) for row in rows}


async def _urgent(tx: Transaction, notices: Sequence[Notice]) -> set[UUID]:
    if not notices:
        return set()
    ids = {notice.escalation_id for notice in notices}
    return set(
        await tx.session.scalars(
            select(Escalation.id).where(Escalation.id.in_(ids), Escalation.priority == Priority.URGENT)
        )
    )


async def _within_limits(
    tx: Transaction, planned: PlannedLog, mails: Sequence[Mail], limits: MailLimits
) -> list[Mail]:
    hour = tx.now.replace(minute=0, second=0, microsecond=0)
    ids = await find_targets(tx, planned.workspace_id, [key for _, key in mails])
    counts = await _mail_counts(tx, ids.values(), hour)
    in_workspace = planned.mails if planned.mails_since == hour else 0
    single: list[Mail] = []
    for notice, key in mails:
        target_id = ids[key]
        held = (
            "recipient"
            if counts[target_id] >= limits.per_recipient
            else "workspace"
            if in_workspace >= limits.per_workspace
            else None
        )
        if held:
            digest = DigestKey(notice.agent_id, LIMIT_DIGEST, hour, hour + HOUR, target_id)
            await _add(tx, notice, digest)
            _report(planned.workspace_id, held)
        else:
            counts[target_id] += 1
            in_workspace += 1
            single.append((notice, key))
    planned.mails, planned.mails_since = in_workspace, hour
    rows = [{"id": id_, "mails": count, "mails_since": hour} for id_, count in sorted(counts.items())]
    await tx.session.execute(update(DeliveryTarget), rows)
    return single


async def _mail_counts(tx: Transaction, target_ids: Iterable[UUID], hour: datetime) -> dict[UUID, int]:
    rows = await tx.session.execute(
        select(DeliveryTarget.id, DeliveryTarget.mails, DeliveryTarget.mails_since).where(
            DeliveryTarget.id.in_(list(target_ids))
        )
    )
    return {id_: mails if since == hour else 0 for id_, mails, since in rows}


def _report(workspace_id: UUID, limit: str) -> None:
    _LIMITED.labels(limit).inc()
    # With the field `error`, at most one line in a second is written.
    _logger.warning(
        "mails.limited",
        error=f"the limit of one {limit} in an hour is reached; further mails go into a digest",
        workspace=format_id(WORKSPACE, workspace_id),
    )


async def _add(tx: Transaction, notice: Notice, digest: DigestKey) -> None:
    await add_to_digest(tx, digest, notice.entry, notice.escalation_id)
