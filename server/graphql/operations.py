"""Operations of one WebSocket: a subscription needs no task, a query or mutation has one of its own."""

import asyncio
from collections.abc import Iterable
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
from server.http.log_context import begin_log_context

LIMIT = 100
CUSTOMERS_LIMIT = 10


class Operations:
    """Up to 100 concurrent operations, 10 of a customer. An error in one ends only that one.

    Queries and mutations take their turn with the calls of others; subscriptions do not. Each operation has a
    context of its own, so that an idle socket keeps none.
    """

    __slots__ = ("_address", "_admission", "_caller", "_groups", "_origin", "_queue", "_running", "_services")

    def __init__(self, context: Context, groups: Groups, queue: SendQueue, admission: Admission) -> None:
        self._services = context.services
        self._caller = context.caller
        self._address = context.address
        self._origin = context.origin
        self._admission = admission
        self._groups = groups
        self._queue = queue
        self._running: dict[str, GroupMember | asyncio.Task[None]] = {}

    async def start(self, id_: str, payload: dict[str, Any]) -> None:
        """Start an operation; raise ProtocolError for a malformed payload or an id that is in use."""
        if id_ in self._running:
            raise ProtocolError(CloseReason(4409, f"Subscriber for {id_} already exists"))
        try:
            operation = read_operation(payload, self._services)
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
        limit = CUSTOMERS_LIMIT if self._caller and self._caller.is_customer else LIMIT
        if len(self._running) >= limit:
            raise RateLimitedError(f"A connection runs at most {limit} operations: complete some first.")

    async def _start(self, id_: str, operation: Operation) -> None:
        encoder = FrameEncoder(self._queue, id_)
        context = Context(self._services, self._caller, self._address, origin=self._origin)
        if not is_subscription(operation, context):
            task = asyncio.create_task(self._run(id_, operation, context, encoder))
            self._running[id_] = task
            task.add_done_callback(lambda _: self._running.pop(id_, None))
            return
        try:
            member = follow(operation, context, self._groups, encoder, partial(self._end_subscription, id_))
        except RefusedOperationError as refused:
            await self._queue.send(_error_frame(id_, refused.errors), id_)
        except Exception as error:
            await self._queue.send(_error_frame(id_, [format_error(error)]), id_)
        else:
            self._running[id_] = member

    async def _run(self, id_: str, operation: Operation, context: Context, encoder: FrameEncoder) -> None:
        begin_log_context(self._caller)
        with reported_operation(self._caller) as record:
            context.record = record
            try:
                async with self._place(record):
                    errors = await run(operation, context, encoder)
            except Exception as error:
                errors = [format_error(error)]
                record.outcome = errors[0]["extensions"]["code"]
        last = text_frame(encode_complete(id_)) if errors is None else _error_frame(id_, errors)
        await self._queue.send(last, id_)

    def _place(self, record: CallRecord) -> Place:
        return self._admission.place(self._admission.flow_of(self._caller, self._address), record)

    def _end_subscription(self, id_: str, errors: list[dict[str, Any]]) -> None:
        if self._running.pop(id_, None) is not None:
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
