"""A fair queue: who runs next when more wants to run than can.

Workspaces take turns, and within a workspace its callers. So a caller waits for the turns of others, not for
all of their requests. What waits for too long is refused: the controlled delay of B. Maurer, "Fail at Scale"
(ACM Queue 13:8, 2015), a form of CoDel (RFC 8289) for requests, here for each workspace as in FQ-CoDel
(RFC 8290). A burst may wait for `PATIENCE`. A queue that has not been empty for so long is no burst, and what
enters it waits for at most `TARGET`.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

PATIENCE = 1.2  # seconds
TARGET = 0.8  # seconds


@dataclass(frozen=True, slots=True)
class Flow:
    """The requests of one caller in one workspace: how many of them may run, and how many may wait."""

    workspace: Hashable
    caller: Hashable
    running: int
    waiting: int


class FlowFullError(Exception):
    """As many requests of the flow wait as may."""


class Ticket:
    """A request that is in the queue or runs. It may wait until `until`, in the seconds of `enter`."""

    __slots__ = ("caller", "runs", "until", "workspace")

    def __init__(self, workspace: "_Workspace", caller: "_Caller") -> None:
        self.workspace, self.caller = workspace, caller
        self.runs = False
        self.until = 0.0


@dataclass(eq=False, slots=True)
class _Caller:
    """A flow with its requests, the oldest first."""

    flow: Flow
    running: int = 0
    waiting: OrderedDict[Ticket, None] = field(default_factory=OrderedDict)


@dataclass(eq=False, slots=True)
class _Workspace:
    """A workspace with its callers; those with waiting requests are in the order of their turns."""

    key: Hashable
    callers: dict[Hashable, _Caller] = field(default_factory=dict)
    turns: OrderedDict[_Caller, None] = field(default_factory=OrderedDict)
    running: int = 0
    waiting: int = 0
    waits_since: float = 0.0


class FairQueue:
    """At most `places` requests that run, at most three quarters of them of one workspace; others wait.

    At most `waiting` wait. One more takes the place of the oldest of the workspace that has most.
    """

    def __init__(self, places: int, waiting: int) -> None:
        self._places, self._most_waiting = places, waiting
        self._places_of_one = max(places * 3 // 4, 1)
        self._workspaces: dict[Hashable, _Workspace] = {}
        self._turns: OrderedDict[_Workspace, None] = OrderedDict()
        self.running = 0
        self.waiting = 0

    def enter(self, flow: Flow, now: float) -> tuple[Ticket, Ticket | None]:
        """Return the ticket of a request, and that of the one that lost its place for it.

        Raises FlowFullError. Call `leave` at the end of every request, and for every one that gives up.
        """
        workspace = self._workspaces.get(flow.workspace)
        if workspace is None:
            workspace = self._workspaces[flow.workspace] = _Workspace(flow.workspace)
        caller = workspace.callers.get(flow.caller)
        if caller is None:
            caller = workspace.callers[flow.caller] = _Caller(flow)
        ticket = Ticket(workspace, caller)
        is_free = self.running < self._places and workspace.running < self._places_of_one
        if is_free and caller.running < flow.running:
            self._run(ticket)
            return ticket, None
        if len(caller.waiting) >= flow.waiting:
            raise FlowFullError
        self._wait(ticket, now)
        return ticket, self._drop_oldest() if self.waiting > self._most_waiting else None

    def leave(self, ticket: Ticket) -> Ticket | None:
        """Remove a request, and return the ticket of the one that runs instead."""
        if not ticket.runs:
            self._stop_waiting(ticket)
            return None
        self.running -= 1
        ticket.workspace.running -= 1
        ticket.caller.running -= 1
        self._forget_if_idle(ticket)
        following = self._next()
        if following:
            self._run(following)
            self._stop_waiting(following)
        return following

    def _run(self, ticket: Ticket) -> None:
        ticket.runs = True
        self.running += 1
        ticket.workspace.running += 1
        ticket.caller.running += 1

    def _wait(self, ticket: Ticket, now: float) -> None:
        workspace, caller = ticket.workspace, ticket.caller
        if not workspace.waiting:
            workspace.waits_since = now
        is_burst = now - workspace.waits_since < PATIENCE
        ticket.until = now + (PATIENCE if is_burst else TARGET)
        caller.waiting[ticket] = None
        workspace.turns.setdefault(caller)
        self._turns.setdefault(workspace)
        workspace.waiting += 1
        self.waiting += 1

    def _stop_waiting(self, ticket: Ticket) -> None:
        workspace, caller = ticket.workspace, ticket.caller
        if ticket not in caller.waiting:
            return  # it has been dropped
        del caller.waiting[ticket]
        workspace.waiting -= 1
        self.waiting -= 1
        if not caller.waiting:
            del workspace.turns[caller]
        if not workspace.waiting:
            del self._turns[workspace]
        self._forget_if_idle(ticket)

    def _next(self) -> Ticket | None:
        """Return the ticket whose turn it is, and give the next turn to others."""
        for workspace in self._turns:
            if workspace.running >= self._places_of_one:
                continue
            for caller in workspace.turns:
                if caller.running < caller.flow.running:
                    self._turns.move_to_end(workspace)
                    workspace.turns.move_to_end(caller)
                    return next(iter(caller.waiting))
        return None

    def _drop_oldest(self) -> Ticket:
        workspace = max(self._turns, key=lambda workspace: workspace.waiting)
        caller = max(workspace.turns, key=lambda caller: len(caller.waiting))
        oldest = next(iter(caller.waiting))
        self._stop_waiting(oldest)
        return oldest

    def _forget_if_idle(self, ticket: Ticket) -> None:
        workspace, caller = ticket.workspace, ticket.caller
        if not caller.running and not caller.waiting:
            del workspace.callers[caller.flow.caller]
        if not workspace.callers:
            del self._workspaces[workspace.key]
