"""The operations that run on one live socket: what is followed needs no task, all else has one of its own."""

import asyncio
from functools import partial
from typing import Any

from realtime.cancellation import cancel_and_wait
from resolvers.context import Context
from resolvers.errors import BadInputError, RateLimitedError
from schema.errors import format_error
from schema.execution import follow, run
from schema.live.event_buffer import EncodedBatch
from schema.live.groups import GroupMember, Groups
from schema.live.subscription_plan import RefusedError as RefusedOperationError
from schema.live.subscription_plan import is_subscription
from schema.operation import Operation, read_operation
from server.graphql.frame_writer import Wire
from server.graphql.protocol import (
    CloseReason,
    ProtocolError,
    ResultFrames,
    framed,
    malformed,
    write_complete,
    write_error,
)

LIMIT = 100


class Operations:
    """At most 100 operations at once. What goes wrong in one ends that one."""

    __slots__ = ("_context", "_groups", "_running", "_wire")

    def __init__(self, context: Context, groups: Groups, wire: Wire) -> None:
        self._context = context
        self._groups = groups
        self._wire = wire
        self._running: dict[str, GroupMember | asyncio.Task[None]] = {}

    async def start(self, id_: str, payload: dict[str, Any]) -> None:
        """Starts an operation; raises RefusedError for a malformed payload and for an id that is in use."""
        if id_ in self._running:
            raise ProtocolError(CloseReason(4409, f"Subscriber for {id_} already exists"))
        try:
            operation = read_operation(payload)
            if len(self._running) >= LIMIT:
                raise RateLimitedError(
                    f"A connection runs at most {LIMIT} operations at once: complete some."
                )
        except BadInputError as error:
            # An empty document is well-formed by the protocol, only not by GraphQL.
            if error.field != "query" or not isinstance(payload.get("query"), str):
                raise malformed(str(error)) from None
            await self._wire.put(framed(write_error(id_, [format_error(error)])))
        except RateLimitedError as error:
            await self._wire.put(framed(write_error(id_, [format_error(error)])))
        else:
            await self._begin(id_, operation)

    async def _begin(self, id_: str, operation: Operation) -> None:
        voice = _Voice(self._wire, id_)
        if not is_subscription(operation):
            task = asyncio.create_task(self._run(id_, operation, voice))
            self._running[id_] = task
            task.add_done_callback(lambda _: self._running.pop(id_))
            return
        try:
            follower = follow(operation, self._context, self._groups, voice)
        except RefusedOperationError as refused:
            await self._wire.put(framed(write_error(id_, refused.errors)), id_)
        except Exception as error:
            await self._wire.put(framed(write_error(id_, [format_error(error)])), id_)
        else:
            self._running[id_] = follower
            follower.ended.add_done_callback(partial(self._ended, id_))

    def _ended(self, id_: str, ended: "asyncio.Future[list[dict[str, Any]]]") -> None:
        if ended.cancelled():
            return  # whoever stopped it knows
        error = ended.exception()
        if self._running.pop(id_, None) is not None:
            errors = [format_error(error)] if isinstance(error, Exception) else ended.result()
            self._wire.add(framed(write_error(id_, errors)), id_)

    async def stop(self, id_: str) -> None:
        """Stops an operation and forgets what it still had to say; afterwards it holds nothing."""
        running = self._running.get(id_)
        if isinstance(running, GroupMember):
            del self._running[id_]
            await running.stop()
        elif running:
            running.cancel()
            await asyncio.wait({running})
        self._wire.forget(id_)

    async def stop_all(self) -> None:
        """Stops every operation; afterwards nothing is held."""
        running = list(self._running.values())
        for one in running:
            if isinstance(one, GroupMember):
                await one.stop()
        await cancel_and_wait(one for one in running if isinstance(one, asyncio.Task))

    async def _run(self, id_: str, operation: Operation, voice: "_Voice") -> None:
        try:
            errors = await run(operation, self._context, voice)
        except Exception as error:
            errors = [format_error(error)]
        last = write_complete(id_) if errors is None else write_error(id_, errors)
        await self._wire.put(framed(last), id_)


class _Voice:
    """Says an operation's results over its socket."""

    __slots__ = ("_frames", "_id", "_wire")

    def __init__(self, wire: Wire, id_: str) -> None:
        self._wire = wire
        self._id = id_
        self._frames = ResultFrames(id_)

    def offer(self, results: EncodedBatch) -> bool:
        """Has them sent, if there is room."""
        return self._wire.offer(self._frames.of(results), self._id, len(results.payloads))

    async def put(self, results: EncodedBatch) -> None:
        """Has them sent as soon as there is room."""
        await self._wire.put(self._frames.of(results), self._id, len(results.payloads))
