"""
Groups: all who subscribe to the same and see the same share one execution and one encoding for each event.

A member is told of everything behind its own cursor. What the group has passed by then it gets from what was
told of late, or is read from the log. One that has no room is caught up in the same way from where it
stopped: the log is its buffer. A member that is up to date has no task and holds nothing but its place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import aclosing
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import groupby
from time import monotonic
from typing import Any, Protocol

import orjson
from prometheus_client import Counter

from realtime.cancellation import cancel_and_wait
from realtime.cursor import Cursor, StaleCursorError, StreamPosition
from realtime.log import Entry
from realtime.pubsub import Typing
from realtime.single_flight import SingleFlight
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import FAILURES, BatonError, ResyncRequiredError
from resolvers.retry import retry_while_unavailable
from resolvers.subscription_sources import StreamEvent, SubscriptionSource
from schema.context import GraphQLContext
from schema.errors import RefusedError, format_error
from schema.live.event_buffer import RECENT_SECONDS, EncodedBatch, EncodedEvent, EventBuffer
from schema.live.subscription_plan import SubscriptionPlan

TOGETHER = 50  # events that are looked up at once

_EXECUTED = Counter("baton_live_executions", "EncodedBatch of subscriptions that were executed.")
_DELIVERED = Counter("baton_live_deliveries", "EncodedBatch that groups handed to their members.")


class Sink(Protocol):
    """Where results go."""

    def offer(self, results: EncodedBatch) -> bool:
        """Takes all of them at once, or says that there is no room."""

    async def put(self, results: EncodedBatch) -> None:
        """Takes them as soon as there is room."""


class FailedError(Exception):
    """An event has no result for a reason of ours; `errors` are dressed."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("an event failed")
        self.errors = errors


class GroupMember:
    """
    Somebody who follows a subscription.

    `ended` is done when that is over: with the errors that ended it, dressed, or with what went wrong in
    telling the listener. Whoever began it stops it.
    """

    __slots__ = ("_actor_id", "_after", "_group", "_live", "_sink", "_task", "ended")

    def __init__(self, groups: "Groups", plan: SubscriptionPlan, sink: Sink) -> None:
        self.ended: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
        self._sink = sink
        self._actor_id = _id_of(plan.call.caller)
        self._after = 0
        self._live = False
        self._group: _Group | None = None
        self._task: asyncio.Task[None] | None = None
        self._do(partial(self._join, groups, plan))

    def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        self._task = asyncio.create_task(self._guarded(work))

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self._task = None
        except (RefusedError, FailedError) as error:
            self._task = None
            self.end(error.errors)
        except Exception as error:
            self._task = None
            self._fail(error)

    async def _join(self, groups: "Groups", plan: SubscriptionPlan) -> None:
        source = await retry_while_unavailable(partial(groups.watch, plan))
        if self.ended.done():
            return
        self._after = source.place.after
        self._group = groups.entered(self, plan, source)
        await self._catch_up(self._group)

    async def _catch_up(self, group: "_Group") -> None:
        while not self.ended.done():
            told = group.recent.since(self._after)
            if told is None:
                told, until = await group.read_older(self._after)
                await self._put(told)
                self._after = until
            elif self._offered(told):
                # Nothing has been awaited since: what comes next is told to this member, too.
                self._after = max(self._after, group.position)
                self._live = True
                return
            else:
                await self._put(told)

    def _offered(self, told: list[EncodedEvent]) -> bool:
        return not told or self._sink.offer(EncodedBatch([one.payload for one in told]))

    async def _put(self, told: list[EncodedEvent]) -> None:
        for start in range(0, len(told), TOGETHER):
            part = told[start : start + TOGETHER]
            await self._sink.put(EncodedBatch([one.payload for one in part]))
            self._after = part[-1].position

    def tell(self, results: EncodedBatch, told: list[EncodedEvent]) -> None:
        """Tells it of what it does not know yet, if it is up to date with all before."""
        if not self._live:
            return
        if self._after >= told[0].position:
            told = [one for one in told if one.position > self._after]
            if not told:
                return
            results = EncodedBatch([one.payload for one in told])
        try:
            taken = self._sink.offer(results)
        except Exception as error:
            self._fail(error)
            return
        if taken:
            self._after = told[-1].position
        else:
            self._live = False
            assert self._group is not None  # it is live by it
            self._do(partial(self._catch_up, self._group))

    def tell_typing(self, results: EncodedBatch, typist: str | None) -> None:
        """Tells it who types, unless it is itself; where there is no room it is not told."""
        if self._live and (typist is None or typist != self._actor_id):
            try:
                self._sink.offer(results)
            except Exception as error:
                self._fail(error)

    def end(self, errors: list[dict[str, Any]]) -> None:
        """It is over, for these errors."""
        self._over()
        if not self.ended.done():
            self.ended.set_result(errors)

    def _fail(self, error: Exception) -> None:
        self._over()
        if not self.ended.done():
            self.ended.set_exception(error)

    async def stop(self) -> None:
        """Follows no more; afterwards nothing is held."""
        task = self._task
        self._over()
        self.ended.cancel()
        if task is not None:
            await cancel_and_wait([task])
            self._over()  # it may have come into its group meanwhile

    def _over(self) -> None:
        self._live = False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._group is not None:
            self._group.leave(self)


class _Group:
    """One subscription of one visibility: it follows the log once for all of its members."""

    def __init__(
        self, plan: SubscriptionPlan, source: SubscriptionSource, on_empty: Callable[["_Group"], None]
    ) -> None:
        self.key = plan.key
        self.position = source.place.head
        self.recent = EventBuffer(source.place.head)
        # In the order of their coming, which is that in which they lie in memory.
        self.members: dict[GroupMember, None] = {}
        self._plan = plan
        self._context = group_context(plan.call)
        self._source = source
        self._cursor = str(Cursor(source.place.stream, source.place.head, source.place.head_at))
        self._on_empty = on_empty
        self._reading = asyncio.Lock()
        self._pages: SingleFlight[tuple[list[EncodedEvent], int]] = SingleFlight()
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(self._run())

    def leave(self, member: GroupMember) -> None:
        """The member is told no more."""
        self.members.pop(member, None)
        if not self.members:
            self._on_empty(self)

    async def _run(self) -> None:
        place = self._source.place
        try:
            start = StreamPosition(place.stream, place.head, place.head_at, place.head, place.head_at)
            async with aclosing(self._context.services.feed.follow(start)) as batches:
                async for batch in batches:
                    for first in range(0, len(batch), TOGETHER):
                        await self._take(batch[first : first + TOGETHER])
        except FailedError as failed:
            self._end(failed.errors)
        except Exception as error:
            self._end([format_error(error)])

    async def _take(self, batch: list[Entry | Typing]) -> None:
        events = []
        for item in batch:
            if event := self._source.event(item, self._cursor):
                events.append(event)
                self._cursor = event.cursor
        results = zip(events, await self._executed(events), strict=True)
        for is_typing, some in groupby(results, lambda one: one[0].position is None):
            for_all = self._tell_typing if is_typing else self._tell
            for_all(list(some))
        self.position = max([self.position, *(item.position for item in batch if isinstance(item, Entry))])

    def _tell(self, results: list[tuple[StreamEvent, bytes | FailedError]]) -> None:
        told, failed = _told(results)
        if told:
            together = EncodedBatch([one.payload for one in told])
            self.recent.add(told)
            self._forget_later()
            # Behind this position members that have no room are caught up.
            self.position = told[-1].position
            _DELIVERED.inc(len(told) * len(self.members))
            for member in list(self.members):
                member.tell(together, told)
        if failed:
            raise failed

    def _tell_typing(self, results: list[tuple[StreamEvent, bytes | FailedError]]) -> None:
        for event, payload in results:
            if isinstance(payload, bytes):
                together = EncodedBatch([payload])
                for member in list(self.members):
                    member.tell_typing(together, event.typist)

    def _forget_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(RECENT_SECONDS, self._forget_old)

    def _forget_old(self) -> None:
        self._timer = None
        if self.recent.forget_old():
            self._forget_later()

    def close(self) -> None:
        """Follows no more."""
        self.task.cancel()
        if self._timer:
            self._timer.cancel()

    def _end(self, errors: list[dict[str, Any]]) -> None:
        for member in list(self.members):
            member.end(errors)

    async def read_older(self, after: int) -> tuple[list[EncodedEvent], int]:
        """
        What is told of the log behind position `after`, and the position up to which that is all.

        At most a page, and nothing that is remembered. One reads at a time, and all who stopped at the same
        place together: who comes next finds what was read, if there was room to remember it.
        """
        return await self._pages.run(after, partial(self._read_page, after))

    async def _read_page(self, after: int) -> tuple[list[EncodedEvent], int]:
        async with self._reading:
            until = self.recent.start
            if after >= until:
                return [], after
            try:
                page = await self._context.services.feed.page(self._source.place.stream, after, until)
            except StaleCursorError:
                raise self._plan.refusal(ResyncRequiredError()) from None
            events = [one for entry in page if (one := self._source.event(entry, self._cursor))]
            told: list[EncodedEvent] = []
            for first in range(0, len(events), TOGETHER):
                some = events[first : first + TOGETHER]
                fresh, failed = _told(zip(some, await self._executed(some), strict=True))
                told += fresh
                if failed:
                    raise failed
            reached = page[-1].position
            if reached == until == self.recent.start:
                self.recent.add_before(after, told)
                self._forget_later()
            return told, reached

    async def _executed(self, events: list[StreamEvent]) -> list[bytes | FailedError]:
        """The result of each, encoded, or why it has none; as the rows are now."""
        if not events:
            return []
        _EXECUTED.inc(len(events))
        results = await retry_while_unavailable(partial(self._execute, events))
        return [_failure(result) or orjson.dumps(result) for result in results]

    async def _execute(self, events: list[StreamEvent]) -> list[dict[str, Any]]:
        plan = _for(self._plan, GraphQLContext.of(self._context))
        plan.call.reset(*(one.occurred_at for one in events))
        return await asyncio.gather(*map(plan.execute, events))


class Groups:
    """The groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}
        self._watches: SingleFlight[SubscriptionSource] = SingleFlight()

    def __len__(self) -> int:
        return len(self._groups)

    def follow(self, plan: SubscriptionPlan, sink: Sink) -> GroupMember:
        """Tells the listener of all behind the subscription's cursor, on and on, until it is stopped."""
        return GroupMember(self, plan, sink)

    async def watch(self, plan: SubscriptionPlan) -> SubscriptionSource:
        """What the subscription watches, asked once for all who ask for the same; raises RefusedError."""
        try:
            return await self._watches.run((plan.key, plan.after), partial(plan.followed.watch, plan.after))
        except BatonError as error:
            raise plan.refusal(error) from None

    def entered(self, member: GroupMember, plan: SubscriptionPlan, source: SubscriptionSource) -> _Group:
        """The group of all who follow the same, with this member in it."""
        group = self._groups.get(plan.key)
        if group is None or group.task.done():
            group = self._groups[plan.key] = _Group(plan, source, self._close)
        group.members[member] = None
        return group

    def _close(self, group: _Group) -> None:
        group.close()
        if self._groups.get(group.key) is group:
            del self._groups[group.key]


def _told(
    results: Iterable[tuple[StreamEvent, bytes | FailedError]],
) -> tuple[list[EncodedEvent], FailedError | None]:
    """What can be told, up to the first that failed, and that one."""
    told: list[EncodedEvent] = []
    now = monotonic()
    for event, payload in results:
        if isinstance(payload, FailedError):
            return told, payload
        assert event.position is not None  # only typing has none
        told.append(EncodedEvent(event.position, payload, now))
    return told, None


def _failure(result: dict[str, Any]) -> FailedError | None:
    # Who comes back with the last cursor gets the event again; who went on would have missed it.
    errors: list[dict[str, Any]] = result.get("errors", [])
    failed = any(one["extensions"]["code"] in FAILURES for one in errors)
    return FailedError(errors) if failed else None


def _id_of(actor: Actor | None) -> str | None:
    return None if actor is None else str(actor.id)


def group_context(context: Context) -> Context:
    """Return a context for all callers who see what this caller sees, on the live pool."""
    caller = context.caller
    anybody = caller and replace(caller, member_id=None, api_key_id=None, session_hash=None)
    return Context(context.services, anybody, live=True)


def _for(plan: SubscriptionPlan, call: GraphQLContext) -> SubscriptionPlan:
    executor = copy(plan.executor)
    executor.context_value = call
    return replace(plan, call=call, executor=executor)
