"""Roll-ups of the analytics: packed days, totals of months, and notes of what has changed since."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Date, ForeignKey, Identity, LargeBinary, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


def _packed() -> Any:
    return mapped_column(LargeBinary)


class AnalyticsChange(Base):
    """A quarter of an hour in which something counts for the analytics that has changed.

    Triggers of the database write it in the transaction that makes the change. Until `refresh_rollups` has
    taken it in, a reader computes that quarter from the rows themselves.
    """

    __tablename__ = "analytics_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    agent_id: Mapped[UUID]
    slot: Mapped[datetime]


class AnalyticsDay(Base):
    """The day, by UTC, of an AI agent: packed arrays, in the order of its 96 quarters of an hour.

    `resolvers.analytics.blocks` defines the arrays.
    """

    __tablename__ = "analytics_days"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    counts: Mapped[bytes] = _packed()
    sums: Mapped[bytes] = _packed()
    last_replies: Mapped[bytes] = _packed()
    resolutions: Mapped[bytes] = _packed()
    details: Mapped[bytes] = _packed()
    assignees: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    replies: Mapped[bytes] = _packed()
    risks: Mapped[bytes] = _packed()
    reviews: Mapped[bytes] = _packed()


class AnalyticsMonth(Base):
    """Totals of a whole month, by UTC, of an AI agent, and the arrays of its days one after the other.

    A stale month has changed since: it is read day by day until `refresh_months` has summed it again.
    """

    __tablename__ = "analytics_months"

    agent_id: Mapped[UUID] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    stale: Mapped[bool] = mapped_column(default=False)
    totals: Mapped[bytes] = _packed()
    assignees: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    assignee_counts: Mapped[bytes] = _packed()
    reasons: Mapped[bytes] = _packed()
    calibration: Mapped[bytes] = _packed()
    counts: Mapped[bytes] = _packed()
    last_replies: Mapped[bytes] = _packed()
    resolutions: Mapped[bytes] = _packed()
    risks: Mapped[bytes] = _packed()
    reviews: Mapped[bytes] = _packed()
