"""Running an operation by its plan, and by graphql-core when the plan does not hold."""

from typing import Any

from graphql import ExecutionResult
from prometheus_client import Counter

from realtime.cancellation import convert_stray_cancellation
from schema.bounded_executor import BoundedExecutor
from schema.context import GraphQLContext
from schema.executor.calls import together
from schema.executor.plan import Plan
from schema.executor.request import Request

_EXECUTIONS = Counter(
    "baton_executions", "Executed operations and events, by what made their result.", ["by"]
)
_BY_PLAN, _BY_CORE, _AGAIN = (_EXECUTIONS.labels(by) for by in ("plan", "graphql-core", "both"))


async def run(executor: BoundedExecutor, plan: Plan | None) -> ExecutionResult:
    """Execute an operation, for a subscription one event, by its plan if it has one."""
    if plan is None:
        _BY_CORE.inc()
        return await executor.run()
    return await run_plan(plan, Request.of(executor))


async def run_plan(plan: Plan, request: Request) -> ExecutionResult:
    """Execute an operation by its plan.

    If the plan's result is discarded, graphql-core executes the operation again, with rows loaded again. It
    gets the value or error of a single root field, so no mutation runs twice. Root fields of a
    mutation that are finished stay as they are. Root fields of a query that ran concurrently are resolved
    again: the order of their errors depends on when each of them ends.
    """
    if not plan.is_due():
        _BY_CORE.inc()
        return await request.executor.run()
    call = request.context
    if isinstance(call, GraphQLContext):
        call.shown = plan.shown
    data: dict[str, Any] = {}
    for roots in plan.stages:
        request.alone = request.alone and len(roots) == 1
        values_left, bytes_left = request.values_left, request.bytes_left
        resolving = [root.resolve(request) for root in roots]
        results = await convert_stray_cancellation(together(resolving))
        try:
            completing = [root.complete(result, request) for root, result in zip(roots, results, strict=True)]
            completed = await convert_stray_cancellation(together(completing))
        except Exception:
            if all(result.error is None for result in results):
                plan.failed()
            resolved = {roots[0].name: results[0]} if len(roots) == 1 else {}
            request.executor.resume(data, resolved, values_left, bytes_left)
            return await _run_again(request)
        data.update((root.name, value) for root, value in zip(roots, completed, strict=True))
    plan.succeeded()
    _BY_PLAN.inc()
    return ExecutionResult(data, None)


async def _run_again(request: Request) -> ExecutionResult:
    _AGAIN.inc()
    call = request.context
    if isinstance(call, GraphQLContext):
        call.shown = {}
        call.forget_rows()
    return await request.executor.run()
