"""
An act: one transaction that changes the truth and writes down what happened.

Commit is spelled here and nowhere else. The lock order is idempotency key, conversation, escalation,
conversation's stream, workspace's stream.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from models.database import Database
from realtime import log
from realtime.pubsub import Wakeup
from realtime.timers import Timer, set_timers


class Transaction:
    """
    What an act has in hand: its session, its time, and what it has to say.

    `now` is the database's clock after the act's lock, or the recorded clock of a replay. `timers_enabled` is
    whether time goes on by itself: a replay has no timers, its own clock brings about what is due.
    """

    def __init__(
        self, session: AsyncSession, replay_clock: datetime | None, timers_enabled: bool = True
    ) -> None:
        self.session = session
        self.replay_clock = replay_clock
        self.timers_enabled = timers_enabled
        self._now: datetime | None = replay_clock
        self._conversation: dict[UUID, list[log.NewEntry]] = {}
        self._workspace: dict[UUID, list[log.NewEntry]] = {}
        self._timers: list[Timer] = []

    @property
    def now(self) -> datetime:
        """The act's time; it is known once the act has its lock."""
        if self._now is None:
            raise RuntimeError("an act has no time before it has its lock")
        return self._now

    def set_now(self, clock: datetime) -> None:
        """Takes the database's clock, read behind the lock; a replay goes by its recorded one."""
        self._now = self.replay_clock or clock

    async def read_clock(self) -> datetime:
        """The time of an act that locks no conversation."""
        self.set_now((await self.session.execute(select(func.clock_timestamp()))).scalar_one())
        return self.now

    def log_to_conversation(self, conversation: UUID, type_: str, **data: Any) -> None:
        """An entry for the conversation's stream."""
        self._conversation.setdefault(conversation, []).append(log.NewEntry(type_, data))

    def log_to_workspace(self, workspace: UUID, type_: str, **data: Any) -> None:
        """An entry for the workspace's stream."""
        self._workspace.setdefault(workspace, []).append(log.NewEntry(type_, data))

    def set_timer(self, timer: Timer) -> None:
        """What is to happen later, if this act does."""
        if self.timers_enabled:
            self._timers.append(timer)

    async def write(self) -> list[Wakeup]:
        """Writes timers and log entries, conversations' streams first, and returns what is to be rung."""
        await self.session.flush()
        if self._timers:
            await set_timers(self.session, self._timers)
        return [
            Wakeup(stream, await log.append(self.session, stream, entries, self.now))
            for entries_of in (self._conversation, self._workspace)
            for stream, entries in sorted(entries_of.items())
        ]


class Transactions:
    """A factory of transactions on one database; after each commit it publishes the wake-ups."""

    def __init__(
        self, database: Database, publish_wakeup: Callable[[Wakeup], None], timers_enabled: bool = True
    ) -> None:
        self._database = database
        self._publish_wakeup = publish_wakeup
        self._timers_enabled = timers_enabled

    @asynccontextmanager
    async def begin(self, replay_clock: datetime | None = None) -> AsyncIterator[Transaction]:
        """One act. An exception in the block rolls it back: it leaves nothing and tells nobody."""
        async with self._database.transactional_session() as session:
            tx = Transaction(session, replay_clock, self._timers_enabled)
            yield tx
            wakeups = await tx.write()
            await session.commit()
        for wakeup in wakeups:
            self._publish_wakeup(wakeup)
