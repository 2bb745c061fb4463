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

from models.database import patiently
from realtime.cancellation import stop
from realtime.cursor import Cursor, Place, StaleCursorError
from realtime.log import Entry
from realtime.pubsub import Typing
from realtime.single_flight import Together
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import BatonError, ErrorCode, ResyncRequiredError
from resolvers.subscription_sources import Happening, Watch
from schema.context import Call
from schema.errors import dress_error
from schema.live.event_buffer import RECENT_SECONDS, Recent, Results, Told
from schema.live.subscription_plan import Prepared, RefusedError

TOGETHER = 50  # events that are looked up at once

_EXECUTED = Counter("baton_live_executions", "Results of subscriptions that were executed.")
_DELIVERED = Counter("baton_live_deliveries", "Results that groups handed to their members.")


class Listener(Protocol):
    """Where results go."""

    def offer(self, results: Results) -> bool:
        """Takes all of them at once, or says that there is no room."""

    async def put(self, results: Results) -> None:
        """Takes them as soon as there is room."""


class FailedError(Exception):
    """An event has no result for a reason of ours; `errors` are dressed."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("an event failed")
        self.errors = errors


class Follower:
    """
    Somebody who follows a subscription.

    `ended` is done when that is over: with the errors that ended it, dressed, or with what went wrong in
    telling the listener. Whoever began it stops it.
    """

    __slots__ = ("_actor_id", "_after", "_group", "_listener", "_live", "_task", "ended")

    def __init__(self, groups: "Groups", prepared: Prepared, listener: Listener) -> None:
        self.ended: asyncio.Future[list[dict[str, Any]]] = asyncio.get_running_loop().create_future()
        self._listener = listener
        self._actor_id = _id_of(prepared.call.context.caller)
        self._after = 0
        self._live = False
        self._group: _Group | None = None
        self._task: asyncio.Task[None] | None = None
        self._do(partial(self._join, groups, prepared))

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

    async def _join(self, groups: "Groups", prepared: Prepared) -> None:
        watch = await patiently(partial(groups.watch, prepared))
        if self.ended.done():
            return
        self._after = watch.place.after
        self._group = groups.entered(self, prepared, watch)
        await self._catch_up(self._group)

    async def _catch_up(self, group: "_Group") -> None:
        while not self.ended.done():
            told = group.recent.behind(self._after)
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

    def _offered(self, told: list[Told]) -> bool:
        return not told or self._listener.offer(Results([one.payload for one in told]))

    async def _put(self, told: list[Told]) -> None:
        for start in range(0, len(told), TOGETHER):
            part = told[start : start + TOGETHER]
            await self._listener.put(Results([one.payload for one in part]))
            self._after = part[-1].position

    def tell(self, results: Results, told: list[Told]) -> None:
        """Tells it of what it does not know yet, if it is up to date with all before."""
        if not self._live:
            return
        if self._after >= told[0].position:
            told = [one for one in told if one.position > self._after]
            if not told:
                return
            results = Results([one.payload for one in told])
        try:
            taken = self._listener.offer(results)
        except Exception as error:
            self._fail(error)
            return
        if taken:
            self._after = told[-1].position
        else:
            self._live = False
            assert self._group is not None  # it is live by it
            self._do(partial(self._catch_up, self._group))

    def tell_typing(self, results: Results, typist: str | None) -> None:
        """Tells it who types, unless it is itself; where there is no room it is not told."""
        if self._live and (typist is None or typist != self._actor_id):
            try:
                self._listener.offer(results)
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
            await stop([task])
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

    def __init__(self, prepared: Prepared, watch: Watch, on_empty: Callable[["_Group"], None]) -> None:
        self.key = prepared.key
        self.position = watch.place.head
        self.recent = Recent(watch.place.head)
        # In the order of their coming, which is that in which they lie in memory.
        self.members: dict[Follower, None] = {}
        self._prepared = prepared
        self._context = _of_anybody(prepared.call.context)
        self._watch = watch
        self._cursor = str(Cursor(watch.place.stream, watch.place.head, watch.place.head_at))
        self._on_empty = on_empty
        self._reading = asyncio.Lock()
        self._pages: Together[tuple[list[Told], int]] = Together()
        self._timer: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(self._run())

    def leave(self, member: Follower) -> None:
        """The member is told no more."""
        self.members.pop(member, None)
        if not self.members:
            self._on_empty(self)

    async def _run(self) -> None:
        place = self._watch.place
        try:
            start = Place(place.stream, place.head, place.head_at, place.head, place.head_at)
            async with aclosing(self._context.house.feed.follow(start)) as batches:
                async for batch in batches:
                    for first in range(0, len(batch), TOGETHER):
                        await self._take(batch[first : first + TOGETHER])
        except FailedError as failed:
            self._end(failed.errors)
        except Exception as error:
            self._end([dress_error(error)])

    async def _take(self, batch: list[Entry | Typing]) -> None:
        happenings = []
        for item in batch:
            if happening := self._watch.happening(item, self._cursor):
                happenings.append(happening)
                self._cursor = happening.cursor
        results = zip(happenings, await self._executed(happenings), strict=True)
        for is_typing, some in groupby(results, lambda one: one[0].position is None):
            for_all = self._tell_typing if is_typing else self._tell
            for_all(list(some))
        self.position = max([self.position, *(item.position for item in batch if isinstance(item, Entry))])

    def _tell(self, results: list[tuple[Happening, bytes | FailedError]]) -> None:
        told, failed = _told(results)
        if told:
            together = Results([one.payload for one in told])
            self.recent.add(told)
            self._forget_later()
            # Behind this position members that have no room are caught up.
            self.position = told[-1].position
            _DELIVERED.inc(len(told) * len(self.members))
            for member in list(self.members):
                member.tell(together, told)
        if failed:
            raise failed

    def _tell_typing(self, results: list[tuple[Happening, bytes | FailedError]]) -> None:
        for happening, payload in results:
            if isinstance(payload, bytes):
                together = Results([payload])
                for member in list(self.members):
                    member.tell_typing(together, happening.typist)

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

    async def read_older(self, after: int) -> tuple[list[Told], int]:
        """
        What is told of the log behind position `after`, and the position up to which that is all.

        At most a page, and nothing that is remembered. One reads at a time, and all who stopped at the same
        place together: who comes next finds what was read, if there was room to remember it.
        """
        return await self._pages.ask(after, partial(self._read_page, after))

    async def _read_page(self, after: int) -> tuple[list[Told], int]:
        async with self._reading:
            until = self.recent.start
            if after >= until:
                return [], after
            try:
                page = await self._context.house.feed.page(self._watch.place.stream, after, until)
            except StaleCursorError:
                raise self._prepared.refusal(ResyncRequiredError()) from None
            happenings = [one for entry in page if (one := self._watch.happening(entry, self._cursor))]
            told: list[Told] = []
            for first in range(0, len(happenings), TOGETHER):
                some = happenings[first : first + TOGETHER]
                fresh, failed = _told(zip(some, await self._executed(some), strict=True))
                told += fresh
                if failed:
                    raise failed
            reached = page[-1].position
            if reached == until == self.recent.start:
                self.recent.add_before(after, told)
                self._forget_later()
            return told, reached

    async def _executed(self, happenings: list[Happening]) -> list[bytes | FailedError]:
        """The result of each, encoded, or why it has none; as the rows are now."""
        if not happenings:
            return []
        _EXECUTED.inc(len(happenings))
        results = await patiently(partial(self._execute, happenings))
        return [_failure(result) or orjson.dumps(result) for result in results]

    async def _execute(self, happenings: list[Happening]) -> list[dict[str, Any]]:
        prepared = _for(self._prepared, Call(self._context))
        prepared.call.begin_anew(*(one.occurred_at for one in happenings))
        return await asyncio.gather(*map(prepared.execute, happenings))


class Groups:
    """The groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}
        self._watches: Together[Watch] = Together()

    def __len__(self) -> int:
        return len(self._groups)

    def follow(self, prepared: Prepared, listener: Listener) -> Follower:
        """Tells the listener of all behind the subscription's cursor, on and on, until it is stopped."""
        return Follower(self, prepared, listener)

    async def watch(self, prepared: Prepared) -> Watch:
        """What the subscription watches, asked once for all who ask for the same; raises RefusedError."""
        try:
            return await self._watches.ask(
                (prepared.key, prepared.after), partial(prepared.followed.watch, prepared.after)
            )
        except BatonError as error:
            raise prepared.refusal(error) from None

    def entered(self, member: Follower, prepared: Prepared, watch: Watch) -> _Group:
        """The group of all who follow the same, with this member in it."""
        group = self._groups.get(prepared.key)
        if group is None or group.task.done():
            group = self._groups[prepared.key] = _Group(prepared, watch, self._close)
        group.members[member] = None
        return group

    def _close(self, group: _Group) -> None:
        group.close()
        if self._groups.get(group.key) is group:
            del self._groups[group.key]


def _told(
    results: Iterable[tuple[Happening, bytes | FailedError]],
) -> tuple[list[Told], FailedError | None]:
    """What can be told, up to the first that failed, and that one."""
    told: list[Told] = []
    now = monotonic()
    for happening, payload in results:
        if isinstance(payload, FailedError):
            return told, payload
        assert happening.position is not None  # only typing has none
        told.append(Told(happening.position, payload, now))
    return told, None


def _failure(result: dict[str, Any]) -> FailedError | None:
    # Who comes back with the last cursor gets the event again; who went on would have missed it.
    errors: list[dict[str, Any]] = result.get("errors", [])
    failed = any(one["extensions"]["code"] == ErrorCode.INTERNAL for one in errors)
    return FailedError(errors) if failed else None


def _id_of(actor: Actor | None) -> str | None:
    return None if actor is None else str(actor.id)


def _of_anybody(context: Context) -> Context:
    """The context of all who see what this caller sees; no request is in their way."""
    caller = context.caller
    anybody = caller and replace(caller, member_id=None, api_key_id=None, session_hash=None)
    return Context(replace(context.house, database=context.house.feed.database), anybody)


def _for(prepared: Prepared, call: Call) -> Prepared:
    executor = copy(prepared.executor)
    executor.context_value = call
    return replace(prepared, call=call, executor=executor)
