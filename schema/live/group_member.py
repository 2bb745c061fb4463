"""A member of a group: the subscription of one client.

    joining ──→ catching up ──→ live ──→ stalled
                     ↑                      │
                     └──────────────────────┘

* joining: the permission is checked, the cursor is resolved, and the member enters its group.
* catching up: the member sends the events after its cursor, from the group's buffer or, if older, the log.
* live: every batch of the group is pushed to the member. It has no task and holds only its position.
* stalled: the sink was full. The member keeps nothing: it catches up again from its position.

Invariant NO AWAIT SINCE THE LAST READ: between the last read of the buffer and going live nothing is awaited.
So the group cannot push a batch in between, and the member misses no event and gets none twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from realtime.cancellation import cancel_and_wait
from resolvers.retry import retry_while_unavailable
from resolvers.subscription_sources import SubscriptionSource
from schema.errors import RefusedError, format_error
from schema.live.event_buffer import EncodedBatch, EncodedEvent, EventBuffer
from schema.live.subscription_plan import Subscriber

OnEnd = Callable[[list[dict[str, Any]]], None]

TOGETHER = 50  # events that are looked up and sent together


class Sink(Protocol):
    """The destination of results."""

    def offer(self, results: EncodedBatch) -> bool:
        """Take all results immediately, or return False when they do not fit."""

    async def put(self, results: EncodedBatch) -> None:
        """Take the results as soon as they fit."""


class FailedError(Exception):
    """An event without a result, for an unexpected reason; `errors` are formatted."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("an event failed")
        self.errors = errors


class Group(Protocol):
    """The group of a member, as the member uses it."""

    position: int
    recent: EventBuffer

    async def read_older(self, after: int, caller: UUID | None) -> tuple[list[EncodedEvent], int]:
        """Return results after position `after`, and the position that they cover; `caller` has one turn."""

    def leave(self, member: "GroupMember") -> None:
        """Remove the member."""


class GroupRegistry(Protocol):
    """The groups of the process, as a member uses them."""

    async def watch(self, subscriber: Subscriber) -> SubscriptionSource:
        """Return the source of the subscription; raise RefusedError."""

    def join(self, member: "GroupMember", subscriber: Subscriber, source: SubscriptionSource) -> Group:
        """Return the group of the subscription, with this member in it."""


class GroupMember:
    """One subscriber of a group; see the state diagram at the top of this module.

    `on_end` is called with the formatted errors that end the subscription, if any do. The caller that created
    the member stops it.
    """

    __slots__ = ("_actor", "_after", "_group", "_live", "_on_end", "_sink", "_task")

    def __init__(self, groups: GroupRegistry, subscriber: Subscriber, sink: Sink, on_end: OnEnd) -> None:
        self._sink = sink
        # None when the subscription is over.
        self._on_end: OnEnd | None = on_end
        self._actor = subscriber.call.caller
        self._after = 0
        self._live = False
        self._group: Group | None = None
        self._task: asyncio.Task[None] | None = None
        self._start(partial(self._join, groups, subscriber))

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        self._task = asyncio.create_task(self._run(work))

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self._task = None
        except (RefusedError, FailedError) as error:
            self._task = None
            self.end(error.errors)
        except Exception as error:
            self._task = None
            self.end([format_error(error)])

    async def _join(self, groups: GroupRegistry, subscriber: Subscriber) -> None:
        source = await retry_while_unavailable(partial(groups.watch, subscriber))
        if self._on_end is None:
            return
        self._after = source.place.after
        self._group = groups.join(self, subscriber, source)
        await self._catch_up(self._group)

    async def _catch_up(self, group: Group) -> None:
        caller = self._actor.id if self._actor else None
        while self._on_end is not None:
            missed = group.recent.since(self._after)
            if missed is None:
                events, until = await group.read_older(self._after, caller)
                await self._send(events)
                self._after = until
            elif not missed.events or self._sink.offer(missed.batch):
                # NO AWAIT SINCE THE LAST READ: the next batch of the group reaches this member, too.
                self._after = max(self._after, group.position)
                self._live = True
                return
            else:
                await self._send(missed.events)

    async def _send(self, events: list[EncodedEvent]) -> None:
        for start in range(0, len(events), TOGETHER):
            part = events[start : start + TOGETHER]
            await self._sink.put(EncodedBatch([event.payload for event in part]))
            self._after = part[-1].position

    def push(self, results: EncodedBatch, events: list[EncodedEvent]) -> None:
        """Send the events that are new to a live member; one whose sink is full becomes stalled."""
        if not self._live:
            return
        if self._after >= events[0].position:
            events = [event for event in events if event.position > self._after]
            if not events:
                return
            results = EncodedBatch([event.payload for event in events])
        try:
            taken = self._sink.offer(results)
        except Exception as error:
            self.end([format_error(error)])
            return
        if taken:
            self._after = events[-1].position
        else:
            self._live = False
            assert self._group is not None  # a live member has one
            self._start(partial(self._catch_up, self._group))

    def push_signal(self, results: EncodedBatch, typist: str | None) -> None:
        """Send a signal unless the member itself types; it is lost when it does not fit."""
        if not self._live or (typist is not None and self._actor and typist == str(self._actor.id)):
            return
        try:
            self._sink.offer(results)
        except Exception as error:
            self.end([format_error(error)])

    def end(self, errors: list[dict[str, Any]]) -> None:
        """End the subscription with these errors."""
        self._detach()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(errors)

    async def stop(self) -> None:
        """Stop the subscription; afterwards nothing is held."""
        task = self._task
        self._detach()
        self._on_end = None
        if task is not None:
            await cancel_and_wait([task])
            self._detach()  # it may have joined its group in the meantime

    def _detach(self) -> None:
        self._live = False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._group is not None:
            self._group.leave(self)
