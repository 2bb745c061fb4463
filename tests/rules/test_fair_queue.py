"""The fair queue: turns, limits of running and waiting, and how long a request waits."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.fair_queue import PATIENCE, TARGET, FairQueue, Flow, FlowFullError, Ticket

MANY = 1_000


def flow(workspace: str, caller: str = "key", running: int = MANY, waiting: int = MANY) -> Flow:
    return Flow(workspace, caller, running, waiting)


def enter(queue: FairQueue, of: Flow, now: float = 0.0) -> Ticket:
    return queue.enter(of, now)[0]


def served(queue: FairQueue, ticket: Ticket | None) -> list[tuple[object, object]]:
    """End one request after another, and return the workspaces and callers that run after `ticket`."""
    order = []
    while ticket and (ticket := queue.leave(ticket)):
        order.append((ticket.workspace.key, ticket.caller.flow.caller))
    return order


def test_requests_run_immediately_up_to_three_quarters_for_one_workspace() -> None:
    queue = FairQueue(4, MANY)
    assert [enter(queue, flow("a")).runs for _ in range(4)] == [True, True, True, False]
    assert enter(queue, flow("b")).runs
    assert not enter(queue, flow("c")).runs
    assert (queue.running, queue.waiting) == (4, 2)


def test_workspaces_and_their_callers_take_turns() -> None:
    queue = FairQueue(1, MANY)
    first = enter(queue, flow("a"))
    for caller in ("x", "x", "x", "y"):
        enter(queue, flow("a", caller))
    for _ in range(2):
        enter(queue, flow("b", "z"))
    order = served(queue, first)
    assert order == [("a", "x"), ("b", "z"), ("a", "y"), ("b", "z"), ("a", "x"), ("a", "x")]
    assert (queue.running, queue.waiting) == (0, 0)


def test_caller_at_its_limit_leaves_the_turn_to_others() -> None:
    queue = FairQueue(8, MANY)
    widget = flow("a", "widget", running=2, waiting=2)
    running = [enter(queue, widget) for _ in range(2)]
    waiting = [enter(queue, widget) for _ in range(2)]
    assert [ticket.runs for ticket in running + waiting] == [True, True, False, False]
    assert enter(queue, flow("a")).runs
    assert queue.leave(running[0]) is waiting[0]
    assert waiting[0].runs
    assert not waiting[1].runs


def test_caller_with_a_full_queue_is_refused() -> None:
    queue = FairQueue(8, MANY)
    widget = flow("a", "widget", running=1, waiting=2)
    for _ in range(3):
        enter(queue, widget)
    with pytest.raises(FlowFullError):
        queue.enter(widget, 0.0)
    assert (queue.running, queue.waiting) == (1, 2)


def test_full_queue_drops_the_oldest_of_the_workspace_with_most() -> None:
    queue = FairQueue(1, 3)
    running = enter(queue, flow("a"))
    oldest, newer = enter(queue, flow("b")), enter(queue, flow("b"))
    assert queue.enter(flow("c"), 0.0)[1] is None
    last, dropped = queue.enter(flow("d"), 0.0)
    assert dropped is oldest
    assert queue.leave(oldest) is None
    assert queue.waiting == 3
    assert queue.leave(running) is newer
    assert not last.runs


def test_burst_may_wait_longer_than_a_queue_that_stays() -> None:
    queue = FairQueue(1, MANY)
    running = enter(queue, flow("a"))
    first = enter(queue, flow("a"), now=10.0)
    assert first.until == 10.0 + PATIENCE
    soon, late = 10.0 + PATIENCE - 0.1, 10.0 + PATIENCE + 0.1
    assert enter(queue, flow("a"), now=soon).until == soon + PATIENCE
    assert enter(queue, flow("a"), now=late).until == late + TARGET
    # The queue of another workspace has just begun.
    assert enter(queue, flow("b"), now=late).until == late + PATIENCE
    assert served(queue, running)
    enter(queue, flow("a"), now=20.0)
    assert enter(queue, flow("a"), now=20.1).until == 20.1 + PATIENCE, "the queue was empty meanwhile"


def test_request_that_gives_up_leaves_its_place() -> None:
    queue = FairQueue(1, MANY)
    running = enter(queue, flow("a"))
    gone, next_ = enter(queue, flow("a")), enter(queue, flow("a"))
    assert queue.leave(gone) is None
    assert queue.leave(running) is next_
    assert queue.leave(next_) is None
    assert (queue.running, queue.waiting) == (0, 0)


# Workspace, caller, and whether it enters; otherwise the oldest request of any state leaves.
_STEPS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans()), max_size=60)


@given(_STEPS)
@settings(max_examples=200, deadline=None)
def test_limits_hold_and_no_place_is_idle_while_a_request_could_run(
    steps: list[tuple[str, str, bool]],
) -> None:
    queue, inside = FairQueue(4, 6), list[Ticket]()
    for number, (workspace, caller, enters) in enumerate(steps):
        if enters:
            try:
                ticket, dropped = queue.enter(flow(workspace, caller, 2, 5), float(number))
            except FlowFullError:
                continue
            inside.append(ticket)
            if dropped:
                inside.remove(dropped)
        elif inside:
            queue.leave(inside.pop(len(inside) // 2))
        running = [ticket for ticket in inside if ticket.runs]
        waiting = [ticket for ticket in inside if not ticket.runs]
        assert (len(running), len(waiting)) == (queue.running, queue.waiting)
        of_workspace = Counter(ticket.workspace.key for ticket in running)
        of_caller = Counter((ticket.workspace.key, ticket.caller.flow.caller) for ticket in running)
        assert queue.running <= 4
        assert queue.waiting <= 6
        assert max(of_workspace.values(), default=0) <= 3
        assert max(of_caller.values(), default=0) <= 2
        for ticket in waiting:
            key = ticket.workspace.key
            is_blocked = of_workspace[key] == 3 or of_caller[key, ticket.caller.flow.caller] == 2
            assert queue.running == 4 or is_blocked
    for ticket in sorted(inside, key=lambda ticket: ticket.runs):
        queue.leave(ticket)
    assert (queue.running, queue.waiting) == (0, 0)


def test_requests_of_a_caller_keep_their_order() -> None:
    queue = FairQueue(2, MANY)
    tickets = [enter(queue, flow("a"), float(number)) for number in range(6)]
    started = [tickets[0]]
    while following := queue.leave(started[-1]):
        started.append(following)
    assert started == tickets
    assert all(first.until < second.until for first, second in pairwise(started[1:]))
