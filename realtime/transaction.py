"""Transactions: each changes the state and appends to the log what happened.

This is the only module that commits. The lock order is idempotency key, conversation, escalation,
conversation stream, workspace stream, audit log.

A change that reads few rows can be tried without a lock: see `UnlockedTransaction`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from copy import copy
from datetime import datetime
from typing import Any, TypeVar, TypeVarTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from models.base import Base
from models.compiled_select import CompiledStatement
from models.database import Database
from models.database_transaction import DatabaseTransaction
from models.ledger import Ledger, RowVersion
from models.write_statement import Append
from realtime import log
from realtime.audit import NewAuditEntry, append_audit
from realtime.pubsub import Wakeup
from realtime.timers import Timer, set_timers
from realtime.write_turns import WriteTurns

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LockRequiredError(Exception):
    """The change needs a lock: it reads more than the conversation, or another change came between."""


class Transaction:
    """A transaction: its rows, its time, and its pending log entries and timers.

    Rows of conversations are read by `fetch` and inserted by `add`, through the ledger. `session` serves all
    other tables.

    `now` is the database clock, read after the lock, or the clock of a replay. A replay sets no timers: its
    own clock decides what is due.
    """

    def __init__(
        self,
        opened: DatabaseTransaction | None,
        ledger: Ledger,
        replay_clock: datetime | None,
        timers_enabled: bool = True,
    ) -> None:
        self.replay_clock = replay_clock
        self.timers_enabled = timers_enabled
        self._open_transaction = opened
        self._ledger = ledger
        self._now: datetime | None = replay_clock
        self._conversation: dict[UUID, list[log.NewEntry]] = {}
        self._workspace: dict[UUID, list[log.NewEntry]] = {}
        self._timers: list[Timer] = []
        self._audit: dict[UUID, list[NewAuditEntry]] = {}

    @property
    def _opened(self) -> DatabaseTransaction:
        if self._open_transaction is None:
            raise LockRequiredError
        return self._open_transaction

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction, opened by its first use."""
        return self._opened.session

    def add(self, row: Base) -> None:
        """Insert the row at commit."""
        self._ledger.add(row)

    async def fetch(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        """Return the rows of a statement. Changes of rows are written at commit."""
        return await self._ledger.fetch(statement, **values)

    async def flush(self) -> None:
        """Write new and changed rows now, for statements that follow."""
        await self._opened.flush()
        await self._ledger.flush()

    @property
    def now(self) -> datetime:
        """The transaction's time, known once it holds its lock."""
        if self._now is None:
            raise RuntimeError("a transaction has no time before it holds its lock")
        return self._now

    def set_now(self, clock: datetime) -> None:
        """Set the time to the database clock, read after the lock; a replay keeps its own clock."""
        self._now = self.replay_clock or clock

    async def read_clock(self) -> datetime:
        """Read the database clock in a transaction that locks no conversation."""
        self.set_now(await self._opened.connection.fetchval("SELECT clock_timestamp()"))
        return self.now

    def log_to_conversation(self, conversation: UUID, type_: str, **data: Any) -> None:
        """Append an entry to the conversation's stream at commit."""
        self._conversation.setdefault(conversation, []).append(log.NewEntry(type_, data))

    def log_to_workspace(self, workspace: UUID, type_: str, **data: Any) -> None:
        """Append an entry to the workspace's stream at commit."""
        self._workspace.setdefault(workspace, []).append(log.NewEntry(type_, data))

    def audit(self, workspace: UUID, entry: NewAuditEntry) -> None:
        """Append an entry to the workspace's audit log at commit."""
        self._audit.setdefault(workspace, []).append(entry)

    def set_timer(self, timer: Timer) -> None:
        """Set a timer, if the transaction commits."""
        if self.timers_enabled:
            self._timers.append(timer)

    async def write(self) -> list[Wakeup]:
        """Write rows, timers, log entries (conversation streams first) and audit entries.

        Return the wake-ups.
        """
        await self._opened.flush()
        if self._timers:
            await set_timers(self._opened.connection, self._timers)
        appends = self._appends()
        heads = await self._ledger.write(appends)
        for workspace, acts in sorted(self._audit.items()):
            await append_audit(self.session, workspace, acts, self._now or await self.read_clock())
        return _wakeups(appends, heads)

    def _appends(self) -> list[Append]:
        """Return the appends of the log entries, conversation streams first."""
        return [
            log.append(stream, entries, self.now)
            for entries_of in (self._conversation, self._workspace)
            for stream, entries in sorted(entries_of.items())
        ]


def _wakeups(appends: Sequence[Append], heads: Sequence[int]) -> list[Wakeup]:
    return [Wakeup(append.stream, head) for append, head in zip(appends, heads, strict=True)]


class UnlockedTransaction(Transaction):
    """A change of rows that were read without a lock. Its one statement is the transaction.

    `read` reads the conversation and what else must not change; `expect` names their versions. Everything
    else that is read, and timers and audit entries, raise LockRequiredError. So does writing, if a row has
    another version.
    """

    def __init__(
        self, database: Database, replay_clock: datetime | None, timers_enabled: bool = True
    ) -> None:
        ledger = Ledger(database.fetch, database.execute_write)
        super().__init__(None, ledger, replay_clock, timers_enabled)
        self._versions: Sequence[RowVersion] = ()

    async def fetch(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        """Raise LockRequiredError."""
        raise LockRequiredError

    async def read(self, statement: CompiledStatement[*Ts], **values: Any) -> list[tuple[*Ts]]:
        """Return the rows of a statement, and nothing that must not change but rows that are expected."""
        return await self._ledger.fetch(statement, **values)

    @property
    def workspace(self) -> UUID | None:
        """The workspace to whose stream something is appended, if there is one."""
        return next(iter(self._workspace), None)

    def expect(self, *versions: RowVersion) -> None:
        """Write only if the rows that were read have these versions then, in the order of locks."""
        self._versions = versions

    async def write(self) -> list[Wakeup]:
        """Write rows and log entries, and return the wake-ups."""
        if self._timers or self._audit:
            raise LockRequiredError
        appends = self._appends()
        heads = await self._ledger.write_if_unchanged(self._versions, appends)
        if heads is None:
            raise LockRequiredError
        return _wakeups(appends, heads)


class Transactions:
    """A factory of transactions on one database; after each commit it publishes the wake-ups."""

    def __init__(
        self, database: Database, publish_wakeup: Callable[[Wakeup], None], timers_enabled: bool = True
    ) -> None:
        self._database = database
        self._publish_wakeup = publish_wakeup
        self._timers_enabled = timers_enabled
        self._turns = WriteTurns()

    def on(self, database: Database) -> "Transactions":
        """Return the same factory on another view of the database."""
        twin = copy(self)
        twin._database = database
        return twin

    @asynccontextmanager
    async def begin(self, replay_clock: datetime | None = None) -> AsyncIterator[Transaction]:
        """Begin a transaction. An exception in the block rolls it back: nothing is stored or published."""
        async with self._database.transaction() as opened:
            ledger = Ledger(opened.connection.fetch)
            tx = Transaction(opened, ledger, replay_clock, self._timers_enabled)
            yield tx
            wakeups = await tx.write()
            await opened.commit()
        self._publish(wakeups)

    async def change_without_lock(
        self, change: Callable[[UnlockedTransaction], Awaitable[T]], replay_clock: datetime | None = None
    ) -> T:
        """Make a change without a lock, and return its result.

        Raises LockRequiredError where it needs one: nothing is stored then, and `begin` can do it.
        """
        tx = UnlockedTransaction(self._database, replay_clock, self._timers_enabled)
        result = await change(tx)
        async with self._turns.of(tx.workspace):
            wakeups = await tx.write()
        self._publish(wakeups)
        return result

    def _publish(self, wakeups: Sequence[Wakeup]) -> None:
        for wakeup in wakeups:
            self._publish_wakeup(wakeup)
