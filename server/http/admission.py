"""The admission of calls: which of them runs, which waits, and which is refused while there are too many.

A caller takes turns with others by its workspace. That is known only after a look-up, which is most of what a
refused call costs. So the flow of a credential is remembered after its first call. It decides about turns and
nothing else: each call is authenticated.
"""

import asyncio
from collections import OrderedDict
from typing import Self

import structlog
from prometheus_client import Counter, Gauge

from resolvers.actor import Actor
from resolvers.call_record import CallRecord
from resolvers.credentials import WIDGET_START, WidgetTokens
from resolvers.errors import BatonError, RateLimitedError, UnavailableError
from rules.fair_queue import FairQueue, Flow, FlowFullError, Ticket
from rules.network_address import network_of

RETRY_SECONDS = 1
REFUSAL_SECONDS = 1.0
WAITING_OF_CONVERSATION = 16
REMEMBERED = 20_000  # credentials

# Callers without a credential take turns with workspaces as if they were one; so do unknown credentials.
ANONYMOUS, UNKNOWN = "anonymous", "unknown"

RUNNING = Gauge("baton_requests_running", "Calls that run: GraphQL over any transport, and REST.")
WAITING = Gauge("baton_requests_waiting", "Calls that wait for their turn.")
REFUSED = Counter("baton_requests_refused", "Calls that were refused since there were too many.", ["reason"])
_LATE, _FULL, _CONVERSATION = "waited too long", "too many wait", "one conversation"

for _reason in (_LATE, _FULL, _CONVERSATION):
    REFUSED.labels(_reason)  # so that each is a metric from the start

_logger = structlog.get_logger(__name__)


class Admission:
    """The queue of calls of this process."""

    def __init__(self, places: int, waiting: int, of_conversation: int) -> None:
        self._queue = FairQueue(places, waiting)
        self._of_conversation = of_conversation
        self._of_others = max(places // 2, 1)
        self._waiting = waiting
        self._waiters: dict[Ticket, asyncio.Future[None]] = {}
        self._flows: OrderedDict[int, Flow] = OrderedDict()
        RUNNING.set_function(lambda: self._queue.running)
        WAITING.set_function(lambda: self._queue.waiting)

    def place(self, flow: Flow, record: CallRecord, credential: str = "") -> "Place":
        """Return the place of a call, which it holds during an `async with` block.

        Raises UnavailableError when it waited for too long, and RateLimitedError for a conversation of which
        too many calls wait. The flow of a `credential` is remembered if the block finds its caller.
        """
        return Place(self, flow, record, credential)

    def flow_of(self, actor: Actor | None, address: str) -> Flow:
        """Return the flow of an authenticated caller."""
        if actor is None:
            return self._of_address(ANONYMOUS, address)
        if actor.conversation_id is not None:
            return Flow(actor.workspace_id, actor.id, self._of_conversation, WAITING_OF_CONVERSATION)
        return Flow(actor.workspace_id, actor.id, self._of_others, self._waiting)

    def flow_of_credential(self, credential: str, address: str, widget_tokens: WidgetTokens) -> Flow:
        """Return the flow of a credential that is not yet looked up; an empty one is none."""
        if not credential:
            return self._of_address(ANONYMOUS, address)
        key = hash(credential)
        if flow := self._flows.get(key):
            self._flows.move_to_end(key)
            return flow
        claims = widget_tokens.read(credential) if credential.startswith(WIDGET_START) else None
        if claims:
            return Flow(UNKNOWN, claims.conversation_id, self._of_conversation, WAITING_OF_CONVERSATION)
        return self._of_address(UNKNOWN, address)

    def remember(self, credential: str, actor: Actor) -> None:
        """Keep the flow of a valid credential for its next calls."""
        self._flows[hash(credential)] = self.flow_of(actor, "")
        if len(self._flows) > REMEMBERED:
            self._flows.popitem(last=False)

    def _of_address(self, workspace: str, address: str) -> Flow:
        return Flow(workspace, network_of(address), self._of_conversation, self._waiting)

    async def enter(self, flow: Flow) -> Ticket:
        """Wait for the turn of a call; `leave` ends it."""
        loop = asyncio.get_running_loop()
        try:
            ticket, dropped = self._queue.enter(flow, loop.time())
        except FlowFullError:
            _count(_CONVERSATION)
            # Callers that ignore Retry-After would call again immediately, and a refusal costs time, too.
            await asyncio.sleep(REFUSAL_SECONDS)
            message = (
                f"At most {flow.running + flow.waiting} calls of one conversation run or wait. Send fewer."
            )
            raise RateLimitedError(message, RETRY_SECONDS) from None
        if dropped:
            self._refuse(dropped, _FULL)
        if not ticket.runs:
            await self._wait(ticket, loop)
        return ticket

    async def _wait(self, ticket: Ticket, loop: asyncio.AbstractEventLoop) -> None:
        waiter = self._waiters[ticket] = loop.create_future()
        timer = loop.call_at(ticket.until, self._refuse, ticket, _LATE)
        try:
            await waiter
        except BaseException:
            # A caller that leaves may have got its turn in this very moment.
            self.leave(ticket)
            raise
        finally:
            timer.cancel()
            del self._waiters[ticket]

    def leave(self, ticket: Ticket) -> None:
        """End a call, and let the next one run."""
        following = self._queue.leave(ticket)
        if following and not (waiter := self._waiters[following]).done():
            waiter.set_result(None)

    def _refuse(self, ticket: Ticket, reason: str) -> None:
        waiter = self._waiters.get(ticket)
        if waiter and not waiter.done():
            _count(reason)
            waiter.set_exception(
                UnavailableError("The server has too much to do. Try again in a moment.", RETRY_SECONDS)
            )


class Place:
    """The place of one call."""

    __slots__ = ("_admission", "_credential", "_flow", "_record", "_ticket")

    def __init__(self, admission: Admission, flow: Flow, record: CallRecord, credential: str) -> None:
        self._admission, self._flow, self._record, self._credential = admission, flow, record, credential
        self._ticket: Ticket | None = None

    async def __aenter__(self) -> Self:
        try:
            self._ticket = await self._admission.enter(self._flow)
        except BatonError as refused:
            self._record.outcome, self._record.shed = refused.code, True
            raise
        return self

    async def __aexit__(self, failure: type[BaseException] | None, *_: object) -> None:
        assert self._ticket is not None
        self._admission.leave(self._ticket)
        caller = self._record.caller
        if caller and self._flow.workspace is UNKNOWN and failure is None:
            self._admission.remember(self._credential, caller)


def _count(reason: str) -> None:
    REFUSED.labels(reason).inc()
    # With the field `error`, at most one line in a second is written.
    _logger.warning("requests.refused", error=reason)
