"""Groups: subscribers of the same subscription with the same visibility share one execution and one encoding.

A member gets every event after its own cursor. Missed events come from the group's buffer or, if older, from
the log; so does everything that a stalled member could not take. The states are in `group_member`.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from itertools import groupby
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
from prometheus_client import Counter, Gauge

from realtime.cursor import Cursor, StaleCursorError, StreamPosition
from realtime.feed import Signal
from realtime.keyed_semaphore import KeyedSemaphore
from realtime.log import Entry
from realtime.single_flight import BURST_SECONDS, SingleFlight
from resolvers.context import Context
from resolvers.errors import FAILURES, ResyncRequiredError
from resolvers.retry import retry_while_unavailable
from resolvers.subscription_sources import StreamEvent, SubscriptionSource
from schema.context import GraphQLContext
from schema.errors import format_error
from schema.live.event_buffer import RECENT_SECONDS, EncodedBatch, EncodedEvent, EventBuffer
from schema.live.group_member import TOGETHER, FailedError, GroupMember, OnEnd, Sink
from schema.live.subscription_plan import Subscriber, SubscriptionPlan

# More would only wait for the ten connections of the live pool.
CONCURRENT_EXECUTIONS = 16

_EXECUTED = Counter("baton_live_executions", "Results of subscriptions that were executed.")
_DELIVERED = Counter("baton_live_deliveries", "Results that groups handed to their members.")
_SUBSCRIPTIONS = Gauge("baton_subscriptions", "Open subscriptions, by their field.", ["subscription"])


class _Group:
    """One subscription of one visibility, which reads the log once for all of its members."""

    __slots__ = (
        "_context",
        "_cursor",
        "_executions",
        "_on_empty",
        "_open",
        "_pages",
        "_reading",
        "_replays",
        "_source",
        "_task",
        "_timer",
        "members",
        "plan",
        "position",
        "recent",
    )

    def __init__(
        self,
        subscriber: Subscriber,
        source: SubscriptionSource,
        replays: KeyedSemaphore,
        executions: asyncio.Semaphore,
        on_empty: Callable[["_Group"], None],
    ) -> None:
        plan = subscriber.plan
        self.position = source.place.head
        self.recent = EventBuffer(source.place.head)
        # In the order of their arrival, which is also their order in memory.
        self.members: dict[GroupMember, None] = {}
        self.plan = plan
        self._open = _SUBSCRIPTIONS.labels(plan.field.name.value)
        self._context = group_context(subscriber.call)
        self._source = source
        self._cursor = str(Cursor(source.place.stream, source.place.head, source.place.head_at))
        self._replays = replays
        self._executions = executions
        self._on_empty = on_empty
        self._reading = asyncio.Lock()
        self._pages: SingleFlight[tuple[list[EncodedEvent], int]] = SingleFlight()
        self._timer: asyncio.TimerHandle | None = None
        # None after the end: task and group would refer to each other, and wait for the garbage collector.
        self._task: asyncio.Task[None] | None = asyncio.create_task(self._run())

    @property
    def has_ended(self) -> bool:
        """Return whether nothing is read any more."""
        return self._task is None or self._task.done()

    def enter(self, member: GroupMember) -> None:
        """Add a member."""
        self.members[member] = None
        self._open.inc()

    def leave(self, member: GroupMember) -> None:
        """Remove a member; close the group with the last one."""
        if member in self.members:
            del self.members[member]
            self._open.dec()
        if not self.members:
            self._on_empty(self)

    async def _run(self) -> None:
        place = self._source.place
        try:
            start = StreamPosition(place.stream, place.head, place.head_at, place.head, place.head_at)
            async with aclosing(self._context.services.feed.follow(start)) as batches:
                async for batch in batches:
                    for first in range(0, len(batch), TOGETHER):
                        await self._process_batch(batch[first : first + TOGETHER])
        except FailedError as failed:
            self._end(failed.errors)
        except Exception as error:
            self._end([format_error(error)])

    async def _process_batch(self, batch: list[Entry | Signal]) -> None:
        events = []
        for item in batch:
            if event := self._source.event(item, self._cursor):
                events.append(event)
                self._cursor = event.cursor
        results = zip(events, await self._executed(events), strict=True)
        for is_signal, some in groupby(results, lambda result: result[0].position is None):
            for_all = self._push_signals if is_signal else self._push
            for_all(list(some))
        self.position = max([self.position, *(item.position for item in batch if isinstance(item, Entry))])

    def _push(self, results: list[tuple[StreamEvent, bytes | FailedError]]) -> None:
        encoded, failed = _split_at_failure(results)
        if encoded:
            batch = EncodedBatch([event.payload for event in encoded])
            self.recent.add(encoded)
            self._forget_later()
            # Stalled members catch up to this position.
            self.position = encoded[-1].position
            _DELIVERED.inc(len(encoded) * len(self.members))
            for member in list(self.members):
                member.push(batch, encoded)
        if failed:
            raise failed

    def _push_signals(self, results: list[tuple[StreamEvent, bytes | FailedError]]) -> None:
        for event, payload in results:
            if isinstance(payload, bytes):
                batch = EncodedBatch([payload])
                for member in list(self.members):
                    member.push_signal(batch, event.typist)

    def _forget_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECENT_SECONDS, self._forget_old)

    def _forget_old(self) -> None:
        self._timer = None
        if self.recent.forget_old():
            self._forget_later()

    def close(self) -> None:
        """Stop reading the log."""
        if self._task:
            self._task.cancel()
            self._task = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _end(self, errors: list[dict[str, Any]]) -> None:
        for member in list(self.members):
            member.end(errors)

    async def read_older(self, after: int, caller: UUID | None) -> tuple[list[EncodedEvent], int]:
        """Return the results after `after`, at most a page of the log, and the position that they cover.

        There is one read at a time, in a group and for a caller. Members that stopped at the same position
        share it. Later ones find its results in the buffer, if they fit.
        """
        return await self._pages.run(after, partial(self._read_page, after, caller))

    async def _read_page(self, after: int, caller: UUID | None) -> tuple[list[EncodedEvent], int]:
        async with self._replays.of(caller), self._reading:
            until = self.recent.start
            if after >= until:
                return [], after
            try:
                page = await self._context.services.feed.page(self._source.place.stream, after, until)
            except StaleCursorError:
                raise self.plan.refusal(ResyncRequiredError()) from None
            events = [event for entry in page if (event := self._source.event(entry, self._cursor))]
            encoded: list[EncodedEvent] = []
            for first in range(0, len(events), TOGETHER):
                some = events[first : first + TOGETHER]
                fresh, failed = _split_at_failure(zip(some, await self._executed(some), strict=True))
                encoded += fresh
                if failed:
                    raise failed
            reached = page[-1].position
            if reached == until == self.recent.start:
                self.recent.add_before(after, encoded)
                self._forget_later()
            return encoded, reached

    async def _executed(self, events: list[StreamEvent]) -> list[bytes | FailedError]:
        """Return the encoded result of each event, or its failure, with the rows as they are now."""
        if not events:
            return []
        async with self._executions:
            _EXECUTED.inc(len(events))
            results = await retry_while_unavailable(partial(self._execute, events))
        return [_failure(result) or orjson.dumps(result) for result in results]

    async def _execute(self, events: list[StreamEvent]) -> list[dict[str, Any]]:
        call = GraphQLContext.of(self._context)
        call.reset(*(event.occurred_at for event in events))
        alone = len(events) == 1
        try:
            return await asyncio.gather(*(self.plan.execute(call, event, alone=alone) for event in events))
        finally:
            # The loaders refer to the call: without this, its rows would wait for the garbage collector.
            call.forget_rows()


class Groups:
    """The groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}
        self._watches: SingleFlight[SubscriptionSource] = SingleFlight()
        self._returns: SingleFlight[SubscriptionSource] = SingleFlight(BURST_SECONDS)
        # Of a caller: however many sockets it opens, one page of the log is read and executed at a time.
        self._replays = KeyedSemaphore(1)
        # Thousands of groups may have an event in the same second. Each execution holds rows and waits for
        # connections, so the others wait before they begin.
        self._executions = asyncio.Semaphore(CONCURRENT_EXECUTIONS)

    def __len__(self) -> int:
        return len(self._groups)

    def find_plan(self, key: Hashable) -> SubscriptionPlan | None:
        """Return the plan of the group with this key, if there is one."""
        group = self._groups.get(key)
        return group.plan if group else None

    def follow(self, subscriber: Subscriber, sink: Sink, on_end: OnEnd) -> GroupMember:
        """Send every event after the subscriber's cursor to the sink, until the member is stopped."""
        return GroupMember(self, subscriber, sink, on_end)

    async def watch(self, subscriber: Subscriber) -> SubscriptionSource:
        """Return the source of the subscription, shared by concurrent calls; raise RefusedError."""
        # Without a cursor it begins now: what happens while it waits would be missed.
        flight = self._watches if subscriber.after is None else self._returns
        return await flight.run((subscriber.plan.key, subscriber.after), subscriber.watch)

    def join(self, member: GroupMember, subscriber: Subscriber, source: SubscriptionSource) -> _Group:
        """Return the group of the subscription, with this member in it."""
        key = subscriber.plan.key
        group = self._groups.get(key)
        if group is None or group.has_ended:
            group = self._groups[key] = _Group(
                subscriber, source, self._replays, self._executions, self._close
            )
        group.enter(member)
        return group

    def _close(self, group: _Group) -> None:
        group.close()
        if self._groups.get(group.plan.key) is group:
            del self._groups[group.plan.key]


def _split_at_failure(
    results: Iterable[tuple[StreamEvent, bytes | FailedError]],
) -> tuple[list[EncodedEvent], FailedError | None]:
    """Return the results up to the first failure, and that failure."""
    encoded: list[EncodedEvent] = []
    now = monotonic()
    for event, payload in results:
        if isinstance(payload, FailedError):
            return encoded, payload
        assert event.position is not None  # only signals have none
        encoded.append(EncodedEvent(event.position, payload, now))
    return encoded, None


def _failure(result: dict[str, Any]) -> FailedError | None:
    # A client that returns with its last cursor gets the event again. Going on would skip it.
    errors: list[dict[str, Any]] = result.get("errors", [])
    failed = any(error["extensions"]["code"] in FAILURES for error in errors)
    return FailedError(errors) if failed else None


def group_context(context: Context) -> Context:
    """Return a context for all callers who see what this caller sees, on the live pool."""
    caller = context.caller
    template = caller and replace(caller, member_id=None, api_key_id=None, session_hash=None)
    return Context(context.services, template, live=True)
