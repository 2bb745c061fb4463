"""Operations of one WebSocket: a subscription needs no task, a query or mutation has one of its own."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from realtime.cancellation import cancel_and_wait
from resolvers.call_record import CallRecord
from resolvers.context import Context
from resolvers.errors import BadInputError, RateLimitedError
from schema.errors import RefusedError as RefusedOperationError
from schema.errors import format_error
from schema.execution import follow, run
from schema.live.group_member import GroupMember
from schema.live.groups import Groups
from schema.live.subscription_plan import is_subscription
from schema.operation import Operation, PersistedQueryNotSupportedError, read_operation
from server.graphql.frame_encoder import FrameEncoder, text_frame
from server.graphql.protocol import CloseReason, ProtocolError, encode_complete, encode_error, malformed
from server.graphql.send_queue import SendQueue
from server.http.admission import Admission, Place
from server.http.call_report import reported_operation
from server.http.log_context import log_context

LIMIT = 100
CUSTOMERS_LIMIT = 10


class Operations:
    """Up to 100 concurrent operations, 10 of a customer. An error in one ends only that one.

    Queries and mutations take their turn with the calls of others; subscriptions do not.
    """

    __slots__ = ("_admission", "_context", "_groups", "_queue", "_running")

    def __init__(self, context: Context, groups: Groups, queue: SendQueue, admission: Admission) -> None:
        self._admission = admission
        self._context = context
        self._groups = groups
        self._queue = queue
        self._running: dict[str, GroupMember | asyncio.Task[None]] = {}

    async def start(self, id_: str, payload: dict[str, Any]) -> None:
        """Start an operation; raise ProtocolError for a malformed payload or an id that is in use."""
        if id_ in self._running:
            raise ProtocolError(CloseReason(4409, f"Subscriber for {id_} already exists"))
        try:
            operation = read_operation(payload, self._context.services)
            self._check_limit()
        except BadInputError as error:
            # An empty document is valid for the protocol, but not for GraphQL.
            if error.field != "query" or not isinstance(payload.get("query"), str):
                raise malformed(str(error)) from None
            await self._queue.send(_error_frame(id_, [format_error(error)]))
        except (PersistedQueryNotSupportedError, RateLimitedError) as error:
            await self._queue.send(_error_frame(id_, [format_error(error)]))
        else:
            await self._start(id_, operation)

    def _check_limit(self) -> None:
        caller = self._context.caller
        limit = CUSTOMERS_LIMIT if caller and caller.is_customer else LIMIT
        if len(self._running) >= limit:
            raise RateLimitedError(f"A connection runs at most {limit} operations: complete some first.")

    async def _start(self, id_: str, operation: Operation) -> None:
        encoder = FrameEncoder(self._queue, id_)
        if not is_subscription(operation, self._context):
            task = asyncio.create_task(self._run(id_, operation, encoder))
            self._running[id_] = task
            task.add_done_callback(lambda _: self._running.pop(id_))
            return
        try:
            member = follow(operation, self._context, self._groups, encoder)
        except RefusedOperationError as refused:
            await self._queue.send(_error_frame(id_, refused.errors), id_)
        except Exception as error:
            await self._queue.send(_error_frame(id_, [format_error(error)]), id_)
        else:
            self._running[id_] = member
            member.ended.add_done_callback(partial(self._end_subscription, id_))

    async def _run(self, id_: str, operation: Operation, encoder: FrameEncoder) -> None:
        caller = self._context.caller
        with log_context(caller), reported_operation(caller) as record:
            try:
                async with self._place(record):
                    errors = await run(operation, replace(self._context, record=record), encoder)
            except Exception as error:
                errors = [format_error(error)]
                record.outcome = errors[0]["extensions"]["code"]
        last = text_frame(encode_complete(id_)) if errors is None else _error_frame(id_, errors)
        await self._queue.send(last, id_)

    def _place(self, record: CallRecord) -> Place:
        context = self._context
        return self._admission.place(self._admission.flow_of(context.caller, context.address), record)

    def _end_subscription(self, id_: str, ended: "asyncio.Future[list[dict[str, Any]]]") -> None:
        if ended.cancelled():
            return  # `stop` did that
        error = ended.exception()
        if self._running.pop(id_, None) is not None:
            errors = [format_error(error)] if isinstance(error, Exception) else ended.result()
            self._queue.send_last(_error_frame(id_, errors), id_)

    async def stop(self, id_: str) -> None:
        """Stop an operation and discard its queued frames. Nothing of it is kept."""
        running = self._running.get(id_)
        if isinstance(running, GroupMember):
            del self._running[id_]
            await running.stop()
        elif running:
            running.cancel()
            await asyncio.wait({running})
        self._queue.discard(id_)

    async def stop_all(self) -> None:
        """Stop every operation. Nothing of them is kept."""
        running = list(self._running.values())
        for member in running:
            if isinstance(member, GroupMember):
                await member.stop()
        await cancel_and_wait(task for task in running if isinstance(task, asyncio.Task))


def _error_frame(id_: str, errors: Iterable[Any]) -> bytes:
    return text_frame(encode_error(id_, list(errors)))
