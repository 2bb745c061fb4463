"""
Groups: all who subscribe to the same and see the same share one execution and one encoding for each event.

A member is told of everything behind its own cursor: what the group has passed by then it is caught up on
alone, while what the group comes to meanwhile waits for it. A member that has no room is caught up in the
same way from where it stopped: the log is its buffer.
"""

import asyncio
from collections.abc import Hashable
from contextlib import aclosing
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson
from prometheus_client import Counter

from realtime.bell import Typing
from realtime.cursor import Place
from realtime.log import Entry
from resolvers.actor import Actor
from resolvers.context import Context
from resolvers.errors import BatonError, ErrorCode
from resolvers.watch import Happening, Watch
from schema.context import Call
from schema.errors import dress_error
from schema.prepared import Prepared, RefusedError

TOGETHER = 50  # events that are looked up at once while a member is caught up
_EXECUTED = Counter("baton_live_executions", "Results of subscriptions that were executed.")
_DELIVERED = Counter("baton_live_deliveries", "Results that groups handed to their members.")

WAITING = 1_000  # events that wait for a member that is being caught up


class Listener(Protocol):
    """Where results go, encoded as JSON."""

    def offer(self, payload: bytes) -> bool:
        """Takes it at once, or says that there is no room."""

    async def put(self, payload: bytes) -> None:
        """Takes it as soon as there is room."""


@dataclass(eq=False, slots=True)
class _Member:
    """Somebody in a group. It has been told up to position `after`; `waiting` is None once it is live."""

    listener: Listener
    after: int
    actor_id: str | None
    ended: "asyncio.Future[list[dict[str, Any]] | None]"
    waiting: list[tuple[bytes, Happening]] | None = field(default_factory=list)

    def concerns(self, happening: Happening) -> bool:
        # One's own typing is no news. A typing signal that is older than what is known is none, either.
        if happening.position is not None:
            return happening.position > self.after
        return happening.typist is None or happening.typist != self.actor_id

    def tell(self, payload: bytes, happening: Happening) -> None:
        # One that has ended is caught up on from where it stopped: nothing may come before that.
        if self.ended.done() or not self.concerns(happening):
            return
        if self.waiting is not None:
            if len(self.waiting) < WAITING:
                self.waiting.append((payload, happening))
            else:
                self.end(None)
        elif not self.listener.offer(payload):
            self.end(None)
        elif happening.position is not None:
            self.after = happening.position

    def end(self, errors: list[dict[str, Any]] | None) -> None:
        if not self.ended.done():
            self.ended.set_result(errors)


class _Group:
    """One subscription of one visibility: it follows the log once for all of its members."""

    def __init__(self, prepared: Prepared, watch: Watch) -> None:
        self.position = watch.place.head
        self.members: set[_Member] = set()
        context = _of_anybody(prepared.call.context)
        self._prepared = _for(prepared, Call(context))
        self._watch = watch
        self._cursor = watch.cursor
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        place, call = self._watch.place, self._prepared.call
        feed = call.context.house.feed
        try:
            start = Place(place.stream, place.head, place.at, place.head)
            async with aclosing(feed.follow(start)) as batches:
                async for batch in batches:
                    await self._take(batch)
        except Exception as error:
            self._end([dress_error(error)])

    async def _take(self, batch: list[Entry | Typing]) -> None:
        happenings = []
        for item in batch:
            if happening := self._watch.happening(item, self._cursor):
                happenings.append(happening)
                self._cursor = happening.cursor
        for happening, payload, failed in await _executed(self._prepared, happenings):
            if failed is not None:
                self._end(failed)
                return
            _DELIVERED.inc(len(self.members))
            for member in self.members:
                member.tell(payload, happening)
        positions = [item.position for item in batch if isinstance(item, Entry)]
        self.position = max([self.position, *positions])

    def _end(self, errors: list[dict[str, Any]]) -> None:
        for member in self.members:
            member.end(errors)


class Groups:
    """The groups of one process."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, _Group] = {}

    def __len__(self) -> int:
        return len(self._groups)

    async def follow(self, prepared: Prepared, listener: Listener) -> None:
        """Tells the listener of all behind the subscription's cursor, on and on; raises RefusedError."""
        try:
            watch = await prepared.followed.watch(prepared.after)
        except BatonError as error:
            raise prepared.refusal(error) from None
        after = watch.place.after
        while True:
            after = await self._follow(prepared, watch, listener, after)

    async def _follow(self, prepared: Prepared, watch: Watch, listener: Listener, after: int) -> int:
        """Follows until there was no room, and says how far it came; raises RefusedError."""
        group = self._group(prepared, watch)
        caller = prepared.call.context.caller
        ended: asyncio.Future[list[dict[str, Any]] | None] = asyncio.get_running_loop().create_future()
        member = _Member(listener, after, _id_of(caller), ended)
        group.members.add(member)
        try:
            await _catch_up(prepared, watch, member, group.position)
            errors = await ended
            if errors is not None:
                raise RefusedError(errors)
            return member.after
        finally:
            group.members.discard(member)
            if not group.members and self._groups.get(prepared.key) is group:
                del self._groups[prepared.key]
                group.task.cancel()

    def _group(self, prepared: Prepared, watch: Watch) -> _Group:
        group = self._groups.get(prepared.key)
        if group is None or group.task.done():
            group = self._groups[prepared.key] = _Group(prepared, watch)
        return group


async def _catch_up(prepared: Prepared, watch: Watch, member: _Member, until: int) -> None:
    """Tells a member alone of what the group has passed, then of what waits; it is live afterwards."""
    if member.after < until:
        feed = prepared.call.context.house.feed
        async with aclosing(feed.read(watch.place.stream, member.after, until)) as pages:
            async for page in pages:
                happenings = [one for entry in page if (one := watch.happening(entry, watch.cursor))]
                await _tell_alone(prepared, member, happenings)
        member.after = max(member.after, until)
    while member.waiting:
        payload, happening = member.waiting.pop(0)
        if member.concerns(happening):
            await member.listener.put(payload)
            member.after = happening.position or member.after
    member.waiting = None


async def _tell_alone(prepared: Prepared, member: _Member, happenings: list[Happening]) -> None:
    for start in range(0, len(happenings), TOGETHER):
        for happening, payload, failed in await _executed(prepared, happenings[start : start + TOGETHER]):
            if failed is not None:
                raise RefusedError(failed)
            await member.listener.put(payload)
            member.after = happening.position or member.after


async def _executed(
    prepared: Prepared, happenings: list[Happening]
) -> list[tuple[Happening, bytes, list[dict[str, Any]] | None]]:
    """Each with its result, encoded, or with the errors of ours for which it has none."""
    if not happenings:
        return []
    _EXECUTED.inc(len(happenings))
    prepared.call.begin_event(max(one.occurred_at for one in happenings))
    results = await asyncio.gather(*map(prepared.execute, happenings))
    return [
        (happening, orjson.dumps(result), _failure(result))
        for happening, result in zip(happenings, results, strict=True)
    ]


def _failure(result: dict[str, Any]) -> list[dict[str, Any]] | None:
    # Who comes back with the last cursor gets the event again; who went on would have missed it.
    errors: list[dict[str, Any]] = result.get("errors", [])
    return errors if any(one["extensions"]["code"] == ErrorCode.INTERNAL for one in errors) else None


def _id_of(actor: Actor | None) -> str | None:
    return None if actor is None else str(actor.id)


def _of_anybody(context: Context) -> Context:
    """The context of all who see what this caller sees."""
    caller = context.caller
    anybody = caller and replace(caller, member_id=None, api_key_id=None, session_hash=None)
    return Context(context.house, anybody)


def _for(prepared: Prepared, call: Call) -> Prepared:
    executor = copy(prepared.executor)
    executor.context_value = call
    return replace(prepared, call=call, executor=executor)
